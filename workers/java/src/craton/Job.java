// What a handler holds in its hands.
package craton;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** One attempt of a job. Its thread is interrupted when it must stop, and the processes that it started are killed. */
public final class Job {
    private static final Path GUARD = Path.of("/usr/bin/setpriv"); // of util-linux: ends a process with its parent
    private static final List<String> HIDDEN = List.of("CRATON_WORKER_TOKEN", "CRATON_SECRET", "CRATON_BROKER", "CRATON_DATABASE");
    private static final int OUTPUT_KEPT = 2000; // characters of what a program wrote last

    public final String id;
    public final int attempt;
    public final int fence;
    /** Where this attempt may write, in the blobs. */
    public final String folder;
    /** What an earlier attempt left; null when there is nothing. */
    public final JsonElement checkpoint;

    private final BiConsumer<Double, JsonElement> tell;
    private final Set<Process> processes = ConcurrentHashMap.newKeySet();
    private volatile boolean stopped = false;

    Job(JsonObject event, BiConsumer<Double, JsonElement> tell) {
        id = Events.text(event, "taskid");
        attempt = Events.number(event, "taskattempt", 0);
        fence = Events.number(event, "taskfence", 0);
        folder = Events.text(event, "taskfolder");
        String text = Events.text(event, "taskcheckpoint");
        checkpoint = text.isEmpty() ? null : JsonParser.parseString(text);
        this.tell = tell;
    }

    /** The blobs, as CRATON_BLOBS says. */
    public Blobs blobs() {
        return new Blobs(System.getenv("CRATON_BLOBS"));
    }

    /** Say how far it is, from 0 to 1. */
    public void progress(double done) {
        progress(done, null);
    }

    /** The same, with a checkpoint, any JSON, for a later attempt. */
    public void progress(double done, JsonElement checkpoint) {
        if (!(done >= 0 && done <= 1)) {
            throw new IllegalArgumentException("progress is from 0 to 1, and not " + done);
        }
        tell.accept(done, checkpoint);
    }

    /** Start a program, which ends with this job, and with this worker. */
    public Process start(ProcessBuilder builder) throws IOException {
        builder.environment().keySet().removeAll(HIDDEN);
        if (Files.isExecutable(GUARD)) {
            List<String> command = new ArrayList<>(List.of(GUARD.toString(), "--pdeathsig", "KILL", "--"));
            command.addAll(builder.command());
            builder.command(command);
        }
        Process process = builder.start();
        processes.add(process);
        process.onExit().thenAccept(processes::remove);
        if (stopped) {
            kill();
        }
        return process;
    }

    /** Run a program to its end; `line` gets each line that it writes. A program that fails is worth another attempt. */
    public void run(List<String> command, Consumer<String> line) throws IOException, InterruptedException, JobError {
        Path errors = Files.createTempFile("craton-", ".err");
        try {
            Process process = start(new ProcessBuilder(command).redirectError(errors.toFile()));
            process.getOutputStream().close();
            try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
                reader.lines().forEach(line);
            }
            int status = process.waitFor();
            if (status != 0) {
                String said = Files.readString(errors, StandardCharsets.ISO_8859_1).strip();
                String last = said.substring(Math.max(0, said.length() - OUTPUT_KEPT));
                throw new JobError(command.get(0), command.get(0) + " ended with " + status + ": " + last, true, null);
            }
        } finally {
            Files.deleteIfExists(errors);
        }
    }

    /** Kill what was started, and what that has started. */
    void kill() {
        stopped = true;
        for (Process process : processes) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
