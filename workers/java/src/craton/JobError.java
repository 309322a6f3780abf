// How a handler says that a job failed.
package craton;

/** A failure: `code` is one word for programs; `retryable` says whether another attempt may go better. */
public class JobError extends Exception {
    final String code;
    final boolean retryable;
    final Double after;

    /** A failure for good. */
    public JobError(String code, String message) {
        this(code, message, false, null);
    }

    /** `after`: seconds before the next attempt; null as the task's back-off says. */
    public JobError(String code, String message, boolean retryable, Double after) {
        super(message);
        this.code = code;
        this.retryable = retryable;
        this.after = after;
    }

    /** Another attempt is to be made. */
    public static JobError retry(String message, Double after) {
        return new JobError("retry", message, true, after);
    }
}
