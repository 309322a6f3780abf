// The controllers behind one door: asks them for jobs, and tells them what became of jobs, until they have heard it.
package craton;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;

final class Controller {
    private static final String BATCH = "application/cloudevents-batch+json";
    private static final int LARGEST_BATCH = 8 << 20; // bytes; controllers take 16 MiB
    private static final Duration ANSWERED_WITHIN = Duration.ofSeconds(15); // beside what a question is to wait
    private static final HttpClient CLIENT =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();

    final List<String> modules;
    private final List<String> addresses;
    private final String token;
    private final Consumer<String> log;
    private final BlockingQueue<Told> waiting = new LinkedBlockingQueue<>();
    private volatile int at = 0;
    private volatile boolean away = false;

    /** A report, as it is sent each time, and who waits for the verdict on it. */
    private record Told(String text, CompletableFuture<String> verdict) {}

    /** An answer says that no other answer will come. */
    static final class Refused extends IOException {
        Refused(String message) {
            super(message);
        }
    }

    Controller(String addresses, List<String> modules, Settings settings, Consumer<String> log) {
        this.addresses = Settings.list(addresses, "\\|");
        this.modules = modules;
        this.token = settings.token();
        this.log = log;
        Thread sender = new Thread(this::send, "reports to " + addresses);
        sender.setDaemon(true);
        sender.start();
    }

    /** Jobs, each leased to this worker. Throws when no answer came: then it is not known whether any were leased. */
    List<JsonObject> take(JsonObject asked) throws IOException, InterruptedException {
        asked.add("modules", Events.GSON.toJsonTree(modules));
        Duration within = ANSWERED_WITHIN.plusSeconds(Events.number(asked, "wait", 0));
        JsonElement answer = post("take", asked.toString(), within);
        if (!answer.isJsonArray()) {
            throw new IOException("the answer to take is not a list");
        }
        found();
        List<JsonObject> jobs = new ArrayList<>();
        for (JsonElement event : answer.getAsJsonArray()) {
            if (Events.isJob(event)) {
                jobs.add(event.getAsJsonObject());
            } else {
                log.accept("a job came that lacks what it must have: " + event);
            }
        }
        return jobs;
    }

    /** The verdict on one report: "taken", "cancel" or "refused". It is sent again until there is one. */
    CompletableFuture<String> report(JsonObject event) {
        Told told = new Told(Events.GSON.toJson(event), new CompletableFuture<>());
        waiting.add(told);
        return told.verdict;
    }

    private void send() {
        try {
            while (true) {
                List<Told> batch = batch();
                List<String> verdicts = deliver("[" + String.join(",", batch.stream().map(Told::text).toList()) + "]", batch.size());
                for (int n = 0; n < batch.size(); n++) {
                    batch.get(n).verdict.completeAsync(verdictAt(verdicts, n));
                }
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private static java.util.function.Supplier<String> verdictAt(List<String> verdicts, int n) {
        return () -> verdicts.get(n);
    }

    /** As many of those that wait as one request may hold; waits for the first. */
    private List<Told> batch() throws InterruptedException {
        List<Told> batch = new ArrayList<>(List.of(waiting.take()));
        long size = batch.get(0).text.length() * 3L; // bytes of UTF-8 at most
        for (Told next = waiting.peek(); next != null; next = waiting.peek()) {
            size += next.text.length() * 3L;
            if (size > LARGEST_BATCH) {
                break;
            }
            batch.add(waiting.take());
        }
        return batch;
    }

    /** Send the same text until it is answered; other 4xx mean that it never will be. */
    private List<String> deliver(String body, int count) throws InterruptedException {
        for (int tries = 0; ; tries++) {
            try {
                List<String> verdicts = verdicts(post("report", body, ANSWERED_WITHIN));
                if (verdicts.size() != count) {
                    throw new IOException("the answer to a report lacks verdicts");
                }
                found();
                return verdicts;
            } catch (Refused error) {
                log.accept("reports were refused: " + error.getMessage());
                return java.util.Collections.nCopies(count, "refused");
            } catch (IOException error) {
                lost(error);
                Thread.sleep(backoff(tries));
            }
        }
    }

    private static List<String> verdicts(JsonElement answer) throws IOException {
        if (!answer.isJsonObject() || !(answer.getAsJsonObject().get("verdicts") instanceof JsonArray told)) {
            throw new IOException("the answer to a report is none");
        }
        List<String> verdicts = new ArrayList<>();
        told.forEach(one -> verdicts.add(one.getAsString()));
        return verdicts;
    }

    /** One request to the controller that answered last; after an error the next one is asked. */
    private JsonElement post(String what, String body, Duration within) throws IOException, InterruptedException {
        String address = addresses.get(Math.floorMod(at, addresses.size()));
        HttpRequest request = HttpRequest.newBuilder(URI.create(address + "/jobs/v1/" + what)).timeout(within)
                .header("Authorization", "Bearer " + token)
                .header("Content-Type", what.equals("report") ? BATCH : "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        try {
            HttpResponse<String> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw wrong(address, answer);
            }
            return JsonParser.parseString(answer.body());
        } catch (Refused error) {
            throw error;
        } catch (JsonParseException | IOException error) {
            at++;
            throw error instanceof IOException known ? known : new IOException("the answer is no JSON: " + error.getMessage());
        }
    }

    /** The error for an answer that is none. 401 and 403 may become right, when tokens are changed; 429 is for later. */
    private static IOException wrong(String address, HttpResponse<String> answer) {
        int status = answer.statusCode();
        String text = answer.body().substring(0, Math.min(500, answer.body().length()));
        String hint = status == 401 ? ": check CRATON_WORKER_TOKEN" : "";
        String message = address + " answered " + status + hint + " " + text;
        boolean again = status >= 500 || List.of(401, 403, 404, 408, 425, 429).contains(status);
        return again ? new IOException(message) : new Refused(message);
    }

    /** The milliseconds to wait after so many tries, each shortened by a random part so that workers spread out. */
    static long backoff(int tries) {
        return (long) (Math.min(100L << Math.min(tries, 10), 5000) * ThreadLocalRandom.current().nextDouble(0.5, 1));
    }

    void lost(Exception error) {
        if (!away) {
            String why = error.getMessage() == null ? error.toString() : error.getMessage();
            log.accept("controller of " + modules + " gives no answer, and is asked again: " + why);
        }
        away = true;
    }

    private void found() {
        if (away) {
            log.accept("controller of " + modules + " answers again");
        }
        away = false;
    }
}
