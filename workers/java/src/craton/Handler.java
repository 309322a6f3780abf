// Does one job: takes its input, and returns its result, which Gson can write.
package craton;

import com.google.gson.JsonObject;

/** A handler of one task. Any exception but {@link JobError} is a failure that may be tried again. */
@FunctionalInterface
public interface Handler {
    Object handle(JsonObject input, Job job) throws Exception;
}
