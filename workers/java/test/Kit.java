// The handlers that the conformance kit asks for.
import com.google.gson.JsonObject;
import craton.Handler;
import craton.Job;
import craton.JobError;
import craton.Worker;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

public final class Kit {
    record Answer(String text, int attempt, String folder, String checkpoint) {}

    static Answer answer(Job job, String text) {
        return new Answer(text, job.attempt, job.folder, job.checkpoint == null ? "" : job.checkpoint.toString());
    }

    static Object waits(JsonObject input, Job job) throws Exception {
        if (input.has("file")) {
            job.blobs().put(job.folder + "/" + input.get("file").getAsString(), "made".getBytes(StandardCharsets.UTF_8));
        }
        if (input.has("progress")) {
            job.progress(input.get("progress").getAsDouble(), input.get("checkpoint"));
        }
        while (!Files.exists(Path.of(input.get("gate").getAsString()))) {
            Thread.sleep(20);
        }
        return answer(job, "");
    }

    static Object child(JsonObject input, Job job) throws Exception {
        Process sleep = job.start(new ProcessBuilder("sleep", "3600"));
        Files.writeString(Path.of(input.get("file").getAsString()), String.valueOf(sleep.pid()));
        sleep.waitFor();
        return answer(job, "");
    }

    static Object stubborn(JsonObject input, Job job) throws Exception {
        Files.writeString(Path.of(input.get("file").getAsString()), String.valueOf(ProcessHandle.current().pid()));
        while (true) {
            Thread.onSpinWait();
        }
    }

    static Object fails(JsonObject input, Job job) throws JobError {
        String message = input.get("message").getAsString();
        if (!input.get("retryable").getAsBoolean()) {
            throw new JobError("refused", message);
        }
        throw JobError.retry(message, input.has("after") ? input.get("after").getAsDouble() : null);
    }

    static Object breaks(JsonObject input, Job job) {
        throw new IllegalStateException(input.get("message").getAsString());
    }

    public static void main(String[] arguments) {
        Handler echo = (input, job) -> answer(job, input.get("text").getAsString());
        Handler large = (input, job) -> answer(job, "x".repeat(input.get("bytes").getAsInt()));
        Worker.run(Map.of(
                "kit.echo", echo, "kit.wait", Kit::waits, "kit.child", Kit::child, "kit.stubborn", Kit::stubborn,
                "kit.large", large, "kit.fail", Kit::fails, "kit.break", Kit::breaks));
    }
}
