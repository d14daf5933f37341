//! `portcullis import`: a `routes.yaml` out of what guards a service today.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::explain::{now, signer, snapshot_of};
use crate::config::diagnostics::Diagnostic;
use crate::config::{self, route_tests};
use crate::import::{self, Document, Imported, Kind, Note};
use crate::route_tests::draft;

/// The longest file that is read.
const LONGEST: u64 = 64 << 20;

const ELBV2_EXAMPLES: &str = "\
Collect into a folder what AWS says of a load balancer:
  aws elbv2 describe-load-balancers --names NAME           > aws/load-balancers.json
  aws elbv2 describe-load-balancer-attributes --load-balancer-arn ARN > aws/attributes-NAME.json
  aws elbv2 describe-listeners --load-balancer-arn ARN     > aws/listeners.json
  aws elbv2 describe-rules --listener-arn LISTENER         > aws/rules-443.json    (for each)
  aws elbv2 describe-target-groups --load-balancer-arn ARN > aws/target-groups.json
  aws elbv2 describe-target-group-attributes --target-group-arn GROUP > aws/attributes-GROUP.json
  aws elbv2 describe-target-health --target-group-arn GROUP > aws/health-GROUP.json
where GROUP in a file's name is the target group's name, and NAME the load balancer's. Then:
  portcullis import elbv2 aws --output routes.yaml --report import.md
  portcullis check --portable routes.yaml && portcullis test
Nothing is sent anywhere, and no key or secret is needed.";

const APIGATEWAY_EXAMPLES: &str = "\
Collect into a folder what AWS says of HTTP APIs, by API:
  aws apigatewayv2 get-apis                        > aws/apis.json
  aws apigatewayv2 get-routes --api-id ID          > aws/routes-ID.json
  aws apigatewayv2 get-integrations --api-id ID    > aws/integrations-ID.json
  aws apigatewayv2 get-authorizers --api-id ID     > aws/authorizers-ID.json
  aws apigatewayv2 get-stages --api-id ID          > aws/stages-ID.json
  aws apigatewayv2 get-api-mappings --domain-name DOMAIN > aws/mappings-DOMAIN.json
or of REST APIs:
  aws apigateway get-rest-apis                     > aws/apis.json
  aws apigateway get-resources --rest-api-id ID --embed methods > aws/resources-ID.json
  aws apigateway get-authorizers --rest-api-id ID  > aws/authorizers-ID.json
  aws apigateway get-stages --rest-api-id ID       > aws/stages-ID.json
  aws apigateway get-gateway-responses --rest-api-id ID > aws/responses-ID.json
  aws apigateway get-base-path-mappings --domain-name DOMAIN > aws/mappings-DOMAIN.json
  aws apigateway get-usage-plans                   > aws/usage-plans.json
  aws apigateway get-api-keys                      > aws/api-keys.json     (no --include-values)
  aws apigateway get-usage-plan-keys --usage-plan-id PLAN > aws/usage-plan-keys-PLAN.json
or, in the place of routes, resources, integrations and authorizers, an OpenAPI export:
  aws apigatewayv2 export-api --api-id ID --specification OAS30 --output-type JSON aws/ID.json
  aws apigateway get-export --rest-api-id ID --stage-name STAGE --export-type oas30 \\
    --parameters extensions=apigateway aws/ID.json
Then:
  portcullis import apigateway aws --output routes.yaml --report import.md
  portcullis check --portable routes.yaml && portcullis test
Nothing is sent anywhere, and no key or secret is needed.";

const TERRAFORM_EXAMPLES: &str = "\
Of what is there:
  terraform show -json > state.json
or of what would be:
  terraform plan -out plan && terraform show -json plan > plan.json
Then:
  portcullis import terraform state.json --output routes.yaml --report import.md
  portcullis check --portable routes.yaml && portcullis test
A state holds secrets. They are not read, and nothing is sent anywhere.";

const INGRESS_EXAMPLES: &str = "\
  kubectl get ingress,service --all-namespaces --output yaml > cluster.yaml
  portcullis import ingress cluster.yaml --output routes.yaml --report import.md
  portcullis check --portable routes.yaml && portcullis test
Secrets of the cluster are not needed, and nothing is sent anywhere.";

/// From where to import
#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum ImportCommand {
    /// Application Load Balancers, from what `aws elbv2 describe-*` prints
    ///
    /// Writes a routes.yaml, and a report of what must be filled in, what was not carried over and
    /// what is different. What guards a route today and cannot be carried over never leaves it
    /// open: such a rule answers 503.
    #[command(after_help = ELBV2_EXAMPLES)]
    Elbv2(ImportArgs),
    /// HTTP and REST APIs of API Gateway, from what `aws apigatewayv2 get-*` and `aws apigateway
    /// get-*` print, or from OpenAPI exports
    ///
    /// Writes a routes.yaml, and a report of what must be filled in, what was not carried over and
    /// what is different. A route that guards in a way that cannot be carried over, or that nobody
    /// can serve here, is written down as one that answers 503.
    #[command(after_help = APIGATEWAY_EXAMPLES)]
    Apigateway(ImportArgs),
    /// Load balancers or APIs that Terraform keeps, from what `terraform show -json` prints
    ///
    /// Reads a state or a plan with all of its modules. Where there are load balancers, they are
    /// imported, else HTTP and REST APIs. Rules keep the address of their resource in a comment.
    #[command(after_help = TERRAFORM_EXAMPLES)]
    Terraform(ImportArgs),
    /// Ingress objects of Kubernetes, with the annotations of the AWS Load Balancer Controller
    ///
    /// Rules come in the controller's order, and Services become target groups under their name in
    /// the cluster. What an annotation guards and cannot be carried over answers 503.
    #[command(after_help = INGRESS_EXAMPLES)]
    Ingress(ImportArgs),
}

/// What to read and where to write
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ImportArgs {
    /// JSON files (of Kubernetes YAML too), or folders of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Where routes.yaml goes. Default: standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the report goes, as Markdown. Default: standard error
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The report as a JSON list instead of Markdown
    #[arg(long)]
    json: bool,
    /// Where tests of it go, for `portcullis test`. Default: beside --output, as routes.test.yaml
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// Write over files that exist
    #[arg(long)]
    force: bool,
}

/// Imports, and says in a line what came of it.
pub(super) fn run(command: &ImportCommand) -> Result<String, String> {
    let (args, import): (_, fn(&[Document]) -> _) = match command {
        ImportCommand::Elbv2(args) => (args, import::elbv2::import),
        ImportCommand::Apigateway(args) => (args, import::apigateway::import),
        ImportCommand::Terraform(args) => (args, import::terraform::import),
        ImportCommand::Ingress(args) => (args, import::ingress::import),
    };
    let tests = args.tests.clone().or_else(|| args.output.as_deref().map(route_tests::beside));
    for target in [&args.output, &args.report, &tests].into_iter().flatten() {
        if target.exists() && !args.force {
            return Err(format!("{} exists; --force writes over it", target.display()));
        }
    }
    let endings: &[&str] = match command {
        ImportCommand::Ingress(_) => &["json", "yaml", "yml"],
        _ => &["json"],
    };
    let mut documents = Vec::new();
    for path in &args.paths {
        collect(path, endings, &mut documents)?;
    }
    let imported = import(&documents).map_err(|why| why.to_string())?;
    let Imported { routes, notes } = without_dead_rules(imported);
    let report = match args.json {
        true => import::report_json(&notes),
        false => import::report(&notes),
    };
    write(args.output.as_deref(), &routes, &mut io::stdout().lock())?;
    write(args.report.as_deref(), &report, &mut io::stderr().lock())?;
    let mut told = format!("{} files read, {} things to know", documents.len(), notes.len());
    if let Some(path) = &tests {
        match tests_of(&routes) {
            Ok(text) => write(Some(path), &text, &mut io::sink())?,
            Err(why) => told.push_str(&format!("; no tests were drafted: {why}")),
        }
    }
    Ok(told)
}

/// A rule that can never match is legal at the source and an error here: it becomes a comment.
fn without_dead_rules(imported: Imported) -> Imported {
    let Imported { mut routes, mut notes } = imported;
    let Ok(loaded) = config::parse_portable(&routes, "routes.yaml") else {
        return Imported { routes, notes };
    };
    let dead: Vec<Diagnostic> = crate::check::judge(&loaded.config)
        .into_iter()
        .filter(|finding| finding.code == "unreachable-rule")
        .collect();
    if dead.is_empty() {
        return Imported { routes, notes };
    }
    let mut lines: Vec<String> = routes.lines().map(str::to_owned).collect();
    for finding in &dead {
        let Some(first) = finding.span.line.checked_sub(1) else { continue };
        let depth = |line: &str| line.len() - line.trim_start().len();
        let own = lines.get(first).map_or(0, |line| depth(line));
        let end = lines.iter().skip(first + 1).position(|line| depth(line) <= own);
        let end = end.map_or(lines.len(), |length| first + 1 + length);
        for line in lines.iter_mut().take(end).skip(first) {
            line.insert_str(own.min(line.len()), "# ");
        }
        notes.push(Note {
            kind: Kind::Dropped,
            place: "rules".to_owned(),
            text: format!("{}: it stands there as a comment", finding.message),
        });
    }
    routes = lines.join("\n") + "\n";
    Imported { routes, notes }
}

/// Tests of what was written, as far as it is whole: what is to be filled in may be missing yet.
fn tests_of(routes: &str) -> Result<String, String> {
    let loaded = config::parse_portable(routes, "routes.yaml").map_err(|_| {
        "the file is not whole yet; `portcullis test --draft` will, when `portcullis check` is content"
    })?;
    let snapshot = snapshot_of(loaded.config);
    let moment = now();
    let signer = signer(&snapshot, moment).map_err(|_| "no key to sign with could be made")?;
    Ok(draft::draft(&snapshot, &signer, moment))
}

fn collect(path: &Path, endings: &[&str], documents: &mut Vec<Document>) -> Result<(), String> {
    let told = |why: io::Error| format!("{}: {why}", path.display());
    if !path.is_dir() {
        documents.push(read(path)?);
        return Ok(());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .map_err(told)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(told)?;
    files.retain(|file| {
        file.extension().is_some_and(|own| endings.iter().any(|ending| own == *ending))
    });
    files.sort_unstable();
    if files.is_empty() {
        return Err(format!(
            "{}: no .{} file in this folder",
            path.display(),
            endings.join(" or .")
        ));
    }
    for file in files {
        documents.push(read(&file)?);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Document, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let length = fs::metadata(path).map_err(|why| told(&why))?.len();
    if length > LONGEST {
        return Err(told(&format_args!("longer than {} MiB", LONGEST >> 20)));
    }
    let text = fs::read_to_string(path).map_err(|why| told(&why))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Document { name, text })
}

fn write(path: Option<&Path>, text: &str, otherwise: &mut impl Write) -> Result<(), String> {
    match path {
        Some(path) => fs::write(path, text).map_err(|why| format!("{}: {why}", path.display())),
        None => otherwise.write_all(text.as_bytes()).map_err(|why| why.to_string()),
    }
}
