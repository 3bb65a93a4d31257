import { fromCognitoIdentityPool } from "@aws-sdk/credential-provider-cognito-identity";
import { runCalls } from "./calls.js";

// The page's own server is of another origin than the service: every call needs CORS.
async function run() {
  const given = await (await fetch("/calls")).json();
  const result = await runCalls(given, fromCognitoIdentityPool);
  // What a page can read of an answer is what the service exposes.
  const refused = await fetch(given.url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "AWSCognitoIdentityService.GetId",
    },
    body: "{}",
  });
  result.exposed = Object.fromEntries(
    ["x-amzn-requestid", "x-amzn-errortype", "x-amzn-errormessage", "date"].map((name) => [
      name,
      refused.headers.get(name),
    ]),
  );
  return result;
}

run()
  .catch((error) => ({ failed: String(error) }))
  .then((result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }));
