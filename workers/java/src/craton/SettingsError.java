// The worker is not told what it must know.
package craton;

/** Its message says what to do. */
final class SettingsError extends RuntimeException {
    SettingsError(String message) {
        super(message);
    }
}
