// The CloudEvents between controllers and workers.
package craton;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Instant;
import java.util.UUID;

final class Events {
    static final Gson GSON = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();
    private static final String[] KEPT = {"taskid", "taskmodule", "taskattempt", "taskfence"};

    private Events() {}

    /** An attribute that is a text; "" when it is not there. */
    static String text(JsonObject event, String name) {
        JsonElement value = event.get(name);
        return value != null && value.isJsonPrimitive() ? value.getAsString() : "";
    }

    /** An attribute that is a whole number; `usual` when it is not there. */
    static int number(JsonObject event, String name, int usual) {
        try {
            return Integer.parseInt(text(event, name));
        } catch (NumberFormatException error) {
            return usual;
        }
    }

    /** How many slots a job takes. */
    static int weight(JsonObject event) {
        return Math.max(1, number(event, "taskweight", 1));
    }

    /** Whether an answer to `take` has what a job must have. */
    static boolean isJob(JsonElement event) {
        if (!event.isJsonObject() || number(event.getAsJsonObject(), "tasklease", 0) < 1) {
            return false;
        }
        JsonObject job = event.getAsJsonObject();
        boolean texts = !(text(job, "taskid").isEmpty() || text(job, "taskname").isEmpty() || text(job, "taskfolder").isEmpty());
        return texts && number(job, "taskattempt", -1) >= 0 && number(job, "taskfence", -1) >= 0;
    }

    /** What rang, if it can be read; else null. */
    static JsonObject rung(String body) {
        try {
            JsonElement event = JsonParser.parseString(body);
            boolean read = event.isJsonObject() && !text(event.getAsJsonObject(), "taskid").isEmpty()
                    && !text(event.getAsJsonObject(), "taskmodule").isEmpty();
            return read ? event.getAsJsonObject() : null;
        } catch (RuntimeException error) {
            return null;
        }
    }

    /** A report of a job: "heartbeat", "succeeded", "failed", "cancelled" or "released". */
    static JsonObject report(JsonObject job, String kind, JsonObject data, String worker) {
        JsonObject event = new JsonObject();
        event.addProperty("specversion", "1.0");
        event.addProperty("id", UUID.randomUUID().toString());
        event.addProperty("source", "/worker/" + worker);
        event.addProperty("type", "craton.job." + kind + ".v1");
        event.addProperty("subject", text(job, "taskid"));
        event.addProperty("time", Instant.now().toString());
        event.addProperty("datacontenttype", "application/json");
        if (job.has("traceparent")) {
            event.add("traceparent", job.get("traceparent"));
        }
        for (String name : KEPT) {
            event.add(name, job.get(name));
        }
        if (data != null) {
            event.add("data", data);
        }
        return event;
    }

    /** The data of a failed report. */
    static JsonObject failure(Throwable error) {
        JsonObject data = new JsonObject();
        String message = error.getMessage() == null ? error.toString() : error.getMessage();
        data.addProperty("code", error instanceof JobError known ? known.code : error.getClass().getSimpleName());
        data.addProperty("message", message);
        data.addProperty("retryable", !(error instanceof JobError known) || known.retryable);
        if (error instanceof JobError known && known.after != null) {
            data.addProperty("retryafter", known.after);
        }
        return data;
    }
}
