import { readFileSync } from "node:fs";
import { fromCognitoIdentityPool } from "@aws-sdk/credential-providers";
import { runCalls } from "./calls.js";

const given = JSON.parse(readFileSync(0, "utf8"));
runCalls(given, fromCognitoIdentityPool).then((result) => console.log(JSON.stringify(result)));
