// AWS SDK for JavaScript v2: credentials of a user, and what a refusal looks like.
const AWS = require("aws-sdk");

const given = JSON.parse(process.env.GIVEN);
const client = { region: given.region, endpoint: given.url, maxRetries: 0 };
const provided = new AWS.CognitoIdentityCredentials(
  { IdentityPoolId: given.pool, Logins: given.logins },
  client,
);
const guest = new AWS.CognitoIdentity({ ...client, credentials: null });

(async () => {
  await provided.getPromise();
  const refused = await guest
    .makeUnauthenticatedRequest("getId", { IdentityPoolId: "nonsense" })
    .promise()
    .catch((error) => error);
  const { identityId, sessionToken, expireTime } = provided;
  const { code, message, statusCode, requestId } = refused;
  const user = { identityId, sessionToken, expireTime };
  console.log(JSON.stringify({ user, refused: { code, message, statusCode, requestId } }));
})();
