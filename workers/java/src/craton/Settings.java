// What a worker is told by its environment.
package craton;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** `controllers`: addresses, joined by "|", with the modules that are behind them. `grace`: milliseconds. */
record Settings(
        Map<String, List<String>> controllers, String token, List<String> queues, int slots, long grace, String name,
        String application, String broker) {

    static Settings of(Map<String, String> environment) {
        String broker = environment.getOrDefault("CRATON_BROKER", "");
        if (broker.startsWith("sqs://")) {
            throw new SettingsError("CRATON_BROKER is " + broker + ": this worker has no client for Amazon SQS. Leave CRATON_BROKER"
                    + " out, and it asks the controllers; or use workers in Python or Node.js.");
        }
        if (!broker.isEmpty() && !broker.matches("amqps?://.+")) {
            throw new SettingsError("CRATON_BROKER: give amqp://... or amqps://..., or nothing.");
        }
        return new Settings(
                controllers(needed(environment, "CRATON_CONTROLLERS", "give module=http://host:port of each controller")),
                needed(environment, "CRATON_WORKER_TOKEN", "give the token that the application's controllers know"),
                list(environment.getOrDefault("CRATON_QUEUES", "default"), ","),
                (int) number(environment, "CRATON_SLOTS", Runtime.getRuntime().availableProcessors(), 1),
                (long) (number(environment, "CRATON_WORKER_GRACE", 10, 0) * 1000),
                environment.getOrDefault("CRATON_WORKER", "java-" + ProcessHandle.current().pid()),
                broker.isEmpty() ? "" : needed(environment, "CRATON_APPLICATION", "give the application's name, which its queues begin with"),
                broker);
    }

    /** "a=http://one|http://two,b=http://one": modules at the same addresses are together, since one question is enough. */
    static Map<String, List<String>> controllers(String text) {
        Map<String, List<String>> groups = new LinkedHashMap<>();
        for (String part : list(text, ",")) {
            String[] sides = part.split("=", 2);
            if (sides.length < 2 || !sides[0].matches("\\w+") || !sides[1].matches("https?://.+")) {
                throw new SettingsError("CRATON_CONTROLLERS has \"" + part + "\": write module=http://host:port|http://..., one for each module.");
            }
            groups.computeIfAbsent(sides[1], addresses -> new ArrayList<>()).add(sides[0]);
        }
        return groups;
    }

    static List<String> list(String text, String separator) {
        return Arrays.stream(text.split(separator)).map(String::strip).filter(one -> !one.isEmpty()).toList();
    }

    private static String needed(Map<String, String> environment, String name, String what) {
        String value = environment.getOrDefault(name, "");
        if (value.isEmpty()) {
            throw new SettingsError(name + " is not set: " + what + ".");
        }
        return value;
    }

    private static double number(Map<String, String> environment, String name, double usual, double least) {
        String text = environment.getOrDefault(name, "");
        try {
            double number = text.isEmpty() ? usual : Double.parseDouble(text);
            if (number >= least && !Double.isInfinite(number)) {
                return number;
            }
        } catch (NumberFormatException error) {
            // said below
        }
        throw new SettingsError(name + " is \"" + text + "\": give a number, " + least + " or more.");
    }
}
