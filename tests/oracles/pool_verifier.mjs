// AWS's own verifier judges tokens of the embedded user pool.
// in:  { issuer, user_pool_id, access, id, machine } as the argument; each of the last three is
//      { token, client_id }
// out: one line { case, good, found } for each case
import { CognitoJwtVerifier, JwtVerifier } from "aws-jwt-verify";
import { validateCognitoJwtFields } from "aws-jwt-verify/cognito-verifier";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";

const settings = JSON.parse(process.argv[2]);
const { issuer, access, id, machine } = settings;
const say = (name, good, found = "") =>
  process.stdout.write(JSON.stringify({ case: name, good: !!good, found: String(found) }) + "\n");

// Its own fetcher speaks https only, and the pool is on loopback.
const asked = [];
const fetcher = {
  fetch: async (uri) => {
    asked.push(uri);
    return (await fetch(uri)).arrayBuffer();
  },
};

// As AWS documents it for pools elsewhere: any issuer, with the checks of Cognito beside.
function verifier(tokenUse, clientId) {
  return JwtVerifier.create({
    issuer,
    audience: tokenUse === "id" ? clientId : null,
    customJwtCheck: ({ payload }) => validateCognitoJwtFields(payload, { tokenUse, clientId }),
  }, { jwksCache: new SimpleJwksCache({ fetcher }) });
}

async function judge(verifier, token) {
  try {
    return { payload: await verifier.verify(token) };
  } catch (error) {
    return { refused: `${error.constructor.name}: ${error.message}` };
  }
}

for (const [name, tokenUse, { token, client_id }] of
  [["the access token", "access", access], ["the ID token", "id", id], ["the machine's token", "access", machine]]) {
  const fetched = await judge(verifier(tokenUse, client_id), token);
  say(`JwtVerifier takes ${name} by the issuer's URL alone`,
    fetched.payload?.token_use === tokenUse && fetched.payload?.iss === issuer, JSON.stringify(fetched));
  const hydrated = verifier(tokenUse, client_id);
  await hydrated.hydrate();
  const before = asked.length;
  // Synchronous: whatever is not there is not fetched but refused.
  const payload = hydrated.verifySync(token);
  say(`it takes ${name} with a key set fetched before`, payload.sub && asked.length === before, payload.sub);
  const stranger = await judge(verifier(tokenUse, "another"), token);
  say(`it refuses ${name} for another client`, /InvalidClientId|InvalidAudience/.test(stranger.refused), stranger.refused);
  const swapped = await judge(verifier(tokenUse === "id" ? "access" : "id", client_id), token);
  say(`it refuses ${name} in the other's place`, swapped.refused, JSON.stringify(swapped.payload));

  // The highest of six bits, since the lowest of a part's last character may mean nothing.
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const taken = [...token].flatMap((character, at) => {
    const other = alphabet[alphabet.indexOf(character) ^ 32] ?? "A";
    try {
      hydrated.verifySync(token.slice(0, at) + other + token.slice(at + 1));
      return [at];
    } catch {
      return [];
    }
  });
  say(`it refuses ${name} with any one of its ${token.length} characters damaged`, taken.length === 0, taken);
}

say("the key set is where its issuer's URL says", asked.every((uri) => uri === `${issuer}/.well-known/jwks.json`), asked);
const cognito = CognitoJwtVerifier.create({ userPoolId: settings.user_pool_id, tokenUse: "access", clientId: access.client_id });
const [key] = JSON.parse(Buffer.from(await fetcher.fetch(`${issuer}/.well-known/jwks.json`))).keys;
cognito.cacheJwks({ keys: [key] }, settings.user_pool_id);
const real = await judge(cognito, access.token);
say("CognitoJwtVerifier never takes it for a token of AWS's own pool of that name", /issuer/i.test(real.refused), real.refused);
