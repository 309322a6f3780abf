// What is answered in place of a result: problem details of RFC 9457, with the types that services of Craton know.

const KINDS = {
  malformed: [400, "The request cannot be read"],
  "not-authenticated": [401, "Who asks is not known"],
  "not-allowed": [403, "The caller may not do this"],
  "not-found": [404, "There is nothing here"],
  "too-large": [413, "The request is too large"],
  "invalid-arguments": [422, "The arguments do not fit"],
  failed: [500, "The server failed"],
};

export class Problem extends Error {
  constructor(kind, detail) {
    super(detail);
    const [status, title] = KINDS[kind];
    this.status = status;
    this.body = { type: `urn:craton:problem:${kind}`, title, status, detail };
  }
}
