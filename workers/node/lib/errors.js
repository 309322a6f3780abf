// How a handler says that a job failed; any other error is a failure that may be tried again.

export class JobError extends Error {
  // code: one word for programs. retryable: whether another attempt may go better. after: seconds before it.
  constructor(message, { code = "failed", retryable = false, after, fault } = {}) {
    super(message);
    Object.assign(this, { code, retryable, after, fault });
  }
}

export class Retry extends JobError {
  constructor(message, { code = "retry", after } = {}) {
    super(message, { code, retryable: true, after });
  }
}

export class SettingsError extends Error {}

// The data of a failed report.
export function failureOf(error) {
  const message = error?.message || String(error);
  if (typeof error?.retryable !== "boolean") return { code: error?.name || "Error", message, retryable: true };
  const { code, retryable, after, fault } = error;
  return { code, message, retryable, ...(after != null && { retryafter: after }), ...(fault && { fault }) };
}
