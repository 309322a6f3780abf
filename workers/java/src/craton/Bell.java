// One ring, held by this worker until it is acknowledged or given back.
package craton;

import com.google.gson.JsonObject;
import com.rabbitmq.client.Channel;
import java.io.IOException;

/** A channel that has gone has given back what was held on it: then nothing needs to be said. */
record Bell(JsonObject event, Channel channel, long tag) {
    void ack() {
        say(() -> channel.basicAck(tag, false));
    }

    /** Let others have it. */
    void back() {
        say(() -> channel.basicNack(tag, false, true));
    }

    /** Nobody can read it: the dead letters may have it. */
    void bury() {
        say(() -> channel.basicNack(tag, false, false));
    }

    private interface Word {
        void say() throws IOException;
    }

    private void say(Word word) {
        try {
            word.say();
        } catch (IOException | RuntimeException error) {
            // it rings again
        }
    }
}
