// Runs a list of calls with the JavaScript SDK v3 and tells how each ended. Bundled for Node and
// for a browser; the calls and what is expected of them are in test_clients.py.
import * as sdk from "@aws-sdk/client-cognito-identity";

function filled(value, answers) {
  if (Array.isArray(value)) return value.map((part) => filled(part, answers));
  if (value !== null && typeof value === "object")
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, filled(part, answers)]),
    );
  if (typeof value !== "string" || !value.startsWith("$")) return value;
  const [call, member] = value.slice(1).split(".");
  return answers[call].output[member];
}

// `fromCognitoIdentityPool` is an argument: the package that Node programs take it from does not
// bundle for browsers, where its own package is used.
export async function runCalls({ url, region, pool, logins, calls }, fromCognitoIdentityPool) {
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "example" };
  const client = new sdk.CognitoIdentityClient({ endpoint: url, region, credentials, maxAttempts: 1 });
  const answers = {};
  for (const { name, operation, input } of calls) {
    try {
      const command = new sdk[`${operation}Command`](filled(input, answers));
      const { $metadata, ...output } = await client.send(command);
      answers[name] = { output, request_id: $metadata.requestId };
    } catch (error) {
      answers[name] = {
        code: error.name,
        message: error.message,
        status: error.$metadata?.httpStatusCode,
        request_id: error.$metadata?.requestId,
      };
    }
  }
  const provided = await fromCognitoIdentityPool({
    clientConfig: { endpoint: url, region },
    identityPoolId: pool,
    logins,
  })();
  return { answers, provided: { identityId: provided.identityId, sessionToken: provided.sessionToken } };
}
