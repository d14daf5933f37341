// Judges tokens with AWS's own verifier. One JSON object a line:
// in, first:  { verifiers: { NAME: [{ properties of CognitoJwtVerifier, jwks }] } }
// in, then:   { id, verifier, token }
// out:        { id, accepted, payload } or { id, accepted: false, error, message }
"use strict";

const { CognitoJwtVerifier } = require("aws-jwt-verify");
const lines = require("node:readline").createInterface({ input: process.stdin });

let verifiers;

function prepare(pools) {
  const verifier = CognitoJwtVerifier.create(pools.map(({ jwks, ...properties }) => properties));
  for (const { userPoolId, jwks } of pools) verifier.cacheJwks(jwks, userPoolId);
  return verifier;
}

lines.on("line", (line) => {
  const message = JSON.parse(line);
  if (!verifiers) {
    const prepared = Object.entries(message.verifiers).map(([name, pools]) => [name, prepare(pools)]);
    verifiers = Object.fromEntries(prepared);
    return;
  }
  let verdict;
  try {
    // Synchronous: whatever is not in the given key sets is not fetched but refused.
    const payload = verifiers[message.verifier].verifySync(message.token);
    verdict = { accepted: true, payload };
  } catch (error) {
    verdict = { accepted: false, error: error.constructor.name, message: error.message };
  }
  process.stdout.write(JSON.stringify({ id: message.id, ...verdict }) + "\n");
});
