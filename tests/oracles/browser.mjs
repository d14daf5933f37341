// Signs in at the gateway in Chromium, like a person, and tells what happened.
// in:  { gateway, issuer, chromium, signer, client_id, keys, cookie } as the argument
// out: one line { case, good, found } for each case
import { chromium } from "playwright-core";
import { AlbJwtVerifier } from "aws-jwt-verify";

const settings = JSON.parse(process.argv[2]);
const { gateway } = settings;
const say = (name, good, found = "") =>
  process.stdout.write(JSON.stringify({ case: name, good: !!good, found: String(found) }) + "\n");

const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--ignore-certificate-errors",
  ],
});
const visitor = () => browser.newContext({ ignoreHTTPSErrors: true });

// The provider's own forms: who one is, then consent.
async function signIn(page, name) {
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  if (page.url().startsWith(settings.issuer)) await page.click("button[type=submit]");
  await page.waitForURL((url) => url.href.startsWith(gateway));
}

// The target answers with the headers that it received.
async function received(page) {
  return Object.fromEntries(JSON.parse(await page.innerText("body")));
}

const context = await visitor();
const page = await context.newPage();
await page.goto(`${gateway}/app/deep/link?q=a%20b&x=1`);
say("a first visit ends at the user pool", page.url().startsWith(settings.issuer), page.url());
await signIn(page, "alice");
say("one comes back to the deep link", page.url() === `${gateway}/app/deep/link?q=a%20b&x=1`, page.url());
const headers = await received(page);
say("the target knows who it is", headers["x-amzn-oidc-identity"] === "alice", headers["x-amzn-oidc-identity"]);
say("claim headers stand beside", headers["x-auth-subject"] === "alice", JSON.stringify(headers));
say("no cookie of the session reaches the target", !/AuthNonce|SessionCookie|portal/.test(headers.cookie ?? ""), headers.cookie);

const cookies = await context.cookies(gateway);
const session = cookies.filter((cookie) => cookie.name.startsWith(settings.cookie));
say("the session's cookies are the browser's and nobody else's",
  session.length > 0 && session.every((c) => c.httpOnly && c.secure && c.path === "/" && c.sameSite === "Lax" && !c.domain.startsWith(".")),
  JSON.stringify(session.map(({ value, ...rest }) => rest)));
say("they took as many shards as the claims need", session.length === settings.shards, session.length);
say("scripts of the page cannot read them", !(await page.evaluate(() => document.cookie)).includes("="));

// AWS's own verifier, told where our keys are.
const verifier = (clientId) => AlbJwtVerifier.create({
  albArn: settings.signer, issuer: settings.issuer, clientId, jwksUri: settings.keys,
});
const data = headers["x-amzn-oidc-data"];
try {
  const payload = await verifier(settings.client_id).verify(data);
  say("AlbJwtVerifier takes x-amzn-oidc-data", payload.sub === "alice" && payload.email === "alice@example.com", JSON.stringify(payload));
} catch (error) {
  say("AlbJwtVerifier takes x-amzn-oidc-data", false, error);
}
try {
  await verifier("another").verify(data);
  say("AlbJwtVerifier refuses it for another client", false, "it did not");
} catch (error) {
  say("AlbJwtVerifier refuses it for another client", /client/i.test(error.message), error);
}

// The access token lasts two seconds: the page goes on without anybody signing in.
let silent = true;
for (let end = Date.now() + 5000; Date.now() < end; ) {
  await page.goto(`${gateway}/app/again`);
  silent &&= page.url() === `${gateway}/app/again`;
}
say("an ended access token is renewed unseen", silent, page.url());
const statuses = await page.evaluate(async () => {
  const one = () => fetch("/app/data").then((answer) => answer.status);
  return Promise.all(Array.from({ length: 40 }, one));
});
say("forty requests at once are all served", statuses.every((status) => status === 200), statuses);

const stranger = await visitor();
const strange = await stranger.newPage();
await strange.goto(`${gateway}/open/`);
const script = await strange.evaluate(() => fetch("/app/data").then((answer) => answer.status));
say("a script without a session gets 401", script === 401, script);
await strange.setContent(`<form method="post" action="${gateway}/app/form"><button>go</button></form>`);
await strange.click("button");
await strange.waitForURL((url) => url.href.startsWith(settings.issuer));
say("a form without a session is sent to sign in", true);

const tabs = await visitor();
const [first, second] = [await tabs.newPage(), await tabs.newPage()];
await first.goto(`${gateway}/app/first`);
await second.goto(`${gateway}/app/second`);
await signIn(first, "bob");
await second.reload();
if (second.url().startsWith(settings.issuer)) await signIn(second, "bob").catch(() => {});
say("two tabs at once both arrive",
  first.url() === `${gateway}/app/first` && second.url() === `${gateway}/app/second`,
  `${first.url()} ${second.url()}`);

await page.goto(`${gateway}/bye`);
if (page.url().startsWith(settings.issuer)) {
  await page.click("button[value=yes]");
  await page.waitForURL((url) => url.href.startsWith(gateway));
}
say("one signs out at the provider and comes to the landing", page.url() === `${gateway}/open/bye`, page.url());
const left = (await context.cookies(gateway)).filter((cookie) => cookie.name.startsWith(settings.cookie));
say("no shard is left", left.length === 0, left.length);
await page.goBack();
await page.goto(`${gateway}/app/deep/link`);
say("going back asks to sign in again", page.url().startsWith(settings.issuer), page.url());

// Carol in two browsers: she signs out at the provider in one, and never comes near the gateway.
const [here, elsewhere] = [await visitor(), await visitor()];
const [own, other] = [await here.newPage(), await elsewhere.newPage()];
for (const tab of [own, other]) {
  await tab.goto(`${gateway}/app/carol`);
  await signIn(tab, "carol");
}
await own.goto(`${gateway}/app/carol`);
say("carol is in", own.url() === `${gateway}/app/carol`, own.url());
await own.goto(`${settings.issuer}/session/end`);
await own.click("button[value=yes]");
await own.waitForURL((url) => url.pathname.startsWith("/session/end/success"));
const kept = (await here.cookies(gateway)).filter((cookie) => cookie.name.startsWith(settings.cookie));
await own.goto(`${gateway}/app/carol`);
say("a sign-out at the provider ends the session here, cookies or not",
  kept.length > 0 && own.url().startsWith(settings.issuer), `${kept.length} ${own.url()}`);
await other.goto(`${gateway}/app/carol`);
say("her other browser goes on", other.url() === `${gateway}/app/carol`, other.url());

await browser.close();
