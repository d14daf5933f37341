// A certified OpenID Connect provider that is not ours, for one client: the gateway.
// in:  { redirect_uris, post_logout_redirect_uris, backchannel_logout_uri, access_token_seconds, bio }
//      as the argument
// out: one line { issuer, client_id, client_secret }, then { grant } for every redeemed grant, and
//      { logout } for every logout token that the gateway took
import http from "node:http";
import { Provider } from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const server = http.createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const client = { client_id: "gateway", client_secret: "s3cret/+=of the gateway" };

const provider = new Provider(issuer, {
  clients: [
    {
      ...client,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: settings.redirect_uris,
      post_logout_redirect_uris: settings.post_logout_redirect_uris,
      backchannel_logout_uri: settings.backchannel_logout_uri,
      backchannel_logout_session_required: true,
    },
  ],
  cookies: { keys: ["oracle"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "bio"] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true }, backchannelLogout: { enabled: true } },
  // Its own refuses addresses of this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  issueRefreshToken: async () => true,
  rotateRefreshToken: () => true,
  // Carol's lasts, so that nothing but a sign-out ends her session.
  ttl: { AccessToken: (_, token) => token.accountId === "carol" ? 600 : settings.access_token_seconds, Session: 3600, Interaction: 600, Grant: 3600, RefreshToken: 3600, IdToken: 600 },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: true,
      name: `Ålice "${id}"`,
      bio: "x".repeat(settings.bio),
    }),
  }),
});
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
provider.on("grant.success", (context) => say({ grant: context.oidc.params.grant_type }));
provider.on("grant.error", (_, error) => say({ error: `${error.message}: ${error.error_detail ?? error.error_description}` }));
provider.on("backchannel.success", (_, client) => say({ logout: client.clientId }));
provider.on("backchannel.error", (_, error) => say({ error: `logout: ${error.message} ${error.cause ?? ""}` }));
provider.on("server_error", (_, error) => say({ error: String(error.stack) }));
server.on("request", provider.callback());
say({ issuer, ...client });
