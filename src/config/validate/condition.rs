//! `conditions:` of a rule.

use std::collections::HashSet;

use ipnet::IpNet;

use super::rule::Place;
use super::{Judge, pattern};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned};
use crate::config::model::{Conditions, HeaderCondition, Located, QueryParameter, Regex};
use crate::config::raw;

/// Longest regular expression.
const LONGEST_REGEX: usize = 1024;

impl Judge<'_> {
    pub(super) fn conditions(&mut self, raw: Option<&raw::Conditions>, place: Place) -> Conditions {
        let Some(raw) = raw else { return Conditions::default() };
        let (host_header, host_regex) =
            self.patterns_or_regexes(&raw.host_header, "`host_header`", true, pattern::host);
        let (path_pattern, path_regex) =
            self.patterns_or_regexes(&raw.path_pattern, "`path_pattern`", false, |text| {
                pattern::path(text, place.merge_slashes)
            });
        Conditions {
            host_header,
            host_regex,
            path_pattern,
            path_regex,
            http_request_method: self.patterns(
                &raw.http_request_method,
                "`http_request_method`",
                pattern::method,
            ),
            http_header: self.header_conditions(&raw.http_header),
            query_string: self.query_conditions(&raw.query_string),
            source_ip: self.networks_of(&raw.source_ip),
        }
    }

    /// Patterns, or regular expressions in their place.
    fn patterns_or_regexes(
        &mut self,
        raw: &Field<raw::Texts>,
        what: &str,
        ignores_case: bool,
        judge: impl Fn(&str) -> Result<String, pattern::Refusal>,
    ) -> (Vec<Located<String>>, Vec<Located<Regex>>) {
        let Some(given) = raw.given() else { return Default::default() };
        match &given.value {
            raw::Texts::Values(list) => {
                let list = Spanned { value: list.clone(), span: given.span, key: given.key };
                (self.patterns(&Field::Given(list), what, judge), Vec::new())
            }
            raw::Texts::Object(object) => {
                let (values, regexes) = (&object.values, &object.regex_values);
                self.either(values, regexes, given, what);
                (self.patterns(values, "`values`", judge), self.regexes(regexes, ignores_case))
            }
        }
    }

    /// AWS's rule: values or regular expressions, never both.
    fn either<T>(
        &mut self,
        values: &Field<List<String>>,
        regexes: &Field<List<String>>,
        place: &Spanned<T>,
        what: &str,
    ) {
        match (values.key(), regexes.key()) {
            (Some(_), Some(key)) => {
                let message = "a condition has `values` or `regex_values`, not both";
                self.report(Diagnostic::error("contradiction", key, message));
            }
            (None, None) => {
                let message = format!("{what} has neither `values` nor `regex_values`");
                self.report(Diagnostic::error("missing-key", place.span, message));
            }
            _ => {}
        }
    }

    fn regexes(&mut self, raw: &Field<List<String>>, ignores_case: bool) -> Vec<Located<Regex>> {
        let judge = |text: &str| match text.len() {
            0 => Err("an empty expression matches everything".to_owned()),
            1..=LONGEST_REGEX => Regex::new(text, ignores_case),
            _ => Err(format!("an expression may not be longer than {LONGEST_REGEX} bytes")),
        };
        let Some(list) = raw.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = "`regex_values` may not be an empty list: nothing would match it";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut regexes = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            match judge(&item.value) {
                Ok(value) => regexes.push(Located { value, span: item.span }),
                Err(why) => {
                    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    let message = format!("this regular expression cannot be used: {why}");
                    self.report(Diagnostic::error("invalid-regex", item.span, message).help(
                        "the dialect is AWS's: no look-around, back-references, atomic groups \
                         or Unicode classes",
                    ));
                }
            }
        }
        regexes
    }

    fn header_conditions(
        &mut self,
        raw: &Field<List<raw::HeaderCondition>>,
    ) -> Vec<HeaderCondition> {
        let Some(list) = raw.given() else { return Vec::new() };
        self.not_empty(list, "`http_header`");
        let mut conditions = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            let name = self.demand(&item.value.name, item.span, "name").and_then(|name| {
                let judged = pattern::header_name(&name.value);
                self.accept("invalid-header", name.span, judged)
                    .map(|value| Located { value, span: name.span })
            });
            let (values, regexes) = (&item.value.values, &item.value.regex_values);
            self.either(values, regexes, item, "`http_header`");
            let values = self.patterns(values, "`values`", pattern::header_value);
            let regex_values = self.regexes(regexes, false);
            let Some(name) = name else { continue };
            self.header_conditions.push((name.value.clone(), name.span));
            conditions.push(HeaderCondition { name: name.value, values, regex_values });
        }
        conditions
    }

    fn query_conditions(
        &mut self,
        raw: &Field<List<raw::QueryCondition>>,
    ) -> Vec<Vec<QueryParameter>> {
        let Some(list) = raw.given() else { return Vec::new() };
        self.not_empty(list, "`query_string`");
        let mut conditions = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            let raw::QueryCondition { key, value, any_of } = &item.value;
            let Some(any_of) = any_of.given() else {
                let parameter = self.query_parameter(key, value, item);
                conditions.extend(parameter.map(|parameter| vec![parameter]));
                continue;
            };
            for other in [key.key(), value.key()].into_iter().flatten() {
                let message = "`any_of` stands alone";
                self.report(Diagnostic::error("contradiction", other, message));
            }
            self.not_empty(any_of, "`any_of`");
            let parameters: Vec<_> = any_of
                .value
                .items
                .iter()
                .filter_map(|item| self.query_parameter(&item.value.key, &item.value.value, item))
                .collect();
            conditions.push(parameters);
        }
        conditions
    }

    fn query_parameter<T>(
        &mut self,
        key: &Field<String>,
        value: &Field<String>,
        place: &Spanned<T>,
    ) -> Option<QueryParameter> {
        let value = self.demand(value, place.span, "value")?;
        let mut judge = |text: &Spanned<String>| {
            self.accept("invalid-pattern", text.span, pattern::query(&text.value))
        };
        let value = judge(value);
        let key = match key.given() {
            Some(key) => Some(judge(key)?),
            None => None,
        };
        Some(QueryParameter { key, value: value? })
    }

    fn networks_of(&mut self, raw: &Field<List<String>>) -> Vec<Located<IpNet>> {
        let Some(list) = raw.given() else { return Vec::new() };
        self.not_empty(list, "`source_ip`");
        let mut networks = Vec::with_capacity(list.value.items.len());
        let mut seen = HashSet::new();
        for item in &list.value.items {
            let judged = pattern::network(&item.value);
            let Some(value) = self.accept("invalid-network", item.span, judged) else { continue };
            if !seen.insert(value) {
                let message = format!("`{value}` is listed twice");
                self.report(Diagnostic::error("duplicate-value", item.span, message));
                continue;
            }
            networks.push(Located { value, span: item.span });
        }
        networks
    }

    fn not_empty<T>(&mut self, list: &Spanned<List<T>>, what: &str) {
        if list.value.is_empty {
            let message = format!("{what} may not be an empty list: nothing would match it");
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
    }
}
