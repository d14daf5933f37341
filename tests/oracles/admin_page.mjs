// Looks at the admin page in Chromium, and tells what it saw.
// in:  { admin, chromium, shots, token } as the argument; pictures go to the folder `shots`
// out: one line { case, good, found } for each case
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { admin, shots, token, ...settings } = JSON.parse(process.argv[2]);
const say = (name, good, found = "") =>
  process.stdout.write(JSON.stringify({ case: name, good: !!good, found: String(found) }) + "\n");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking",
  ],
});

// From the first page alone: why was the request denied?
const reader = await browser.newContext({ javaScriptEnabled: false });
const first = await reader.newPage();
await first.goto(admin + "/");
const overview = await first.innerText("main");
say("the first page says how it stands", /^Ready/.test(overview), overview.slice(0, 200));
say("it says what was wanted and what was there",
  overview.includes("scopes wanted: orders/write; found: orders/read"), overview);
say("it says what a reason means", overview.includes("wanted: one authorization: Bearer TOKEN; found: absent"), overview);
say("dead rules stand out", overview.includes("1 of them never hit"), overview);
say("and dead routes of APIs", overview.includes("2 routes of APIs, 1 of them never hit"), overview);
say("a path is text, whatever it looks like", overview.includes("<script>") || overview.includes("%3Cscript%3E"), overview);
await first.click("a:has(code:text-is('scope_missing'))");
const why = await first.innerText("main");
say("a denial has a page of its own", why.includes("orders/write") && why.includes("orders/read"), why);
say("it says what to do", why.includes("the client must ask for the scope"), why);
say("it says how to ask for more", why.includes("portcullis explain routes.yaml 'GET' '/orders/1'"), why);
const denial = new URL(first.url()).pathname;
await first.goto(admin + "/page/rules?dead");
const dead = await first.innerText("tbody");
say("and so can the routes", dead.includes("GET /forgotten") && !dead.includes("GET /parts"), dead);
say("the rules never hit can be had alone", dead.includes("never-asked-for") && !dead.includes("scopes"), dead);
await first.goto(admin + "/page/denials?find=TOKEN_MISSING");
say("denials can be searched", (await first.locator("tbody tr").count()) === 1, await first.innerText("main"));
await reader.close();

const pages = { overview: "/", denials: "/page/denials", denial, rules: "/page/rules", configuration: "/page/configuration" };
for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => request.url().startsWith(admin) || complaints.push(request.url()));
    for (const [name, path] of Object.entries(pages)) {
      const what = `${name}, ${colorScheme}, ${width} px`;
      const answer = await page.goto(admin + path);
      say(`${what}: it is there`, answer.status() === 200, answer.status());
      const size = (await answer.body()).length;
      say(`${what}: it is small`, size < 40_000, size);
      const content = await page.content();
      say(`${what}: no token is in it`, !content.includes(token.slice(-40)) && !content.includes("eyJ"));
      await page.screenshot({ path: `${shots}/${name}-${colorScheme}-${width}.png`, fullPage: true });
      const over = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      say(`${what}: nothing sticks out`, over <= 0, over);
      const seen = complaints.splice(0);
      say(`${what}: nothing is complained of, nothing is from elsewhere`, seen.length === 0, seen);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
      say(`${what}: axe finds nothing`, found.length === 0, found.join("\n"));
      complaints.splice(0);
    }
    await context.close();
  }
}
await browser.close();
