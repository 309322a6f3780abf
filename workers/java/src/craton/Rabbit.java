// Listening at RabbitMQ: consumes from a queue for each queue of jobs, while bells are wanted. Controllers make the queues.
package craton;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

final class Rabbit {
    private static final int HEARTBEAT = 10; // seconds
    private static final int OPENED_WITHIN = 10_000; // milliseconds

    private final ConnectionFactory factory;
    private final Settings settings;
    private final List<String> queues;
    private final Consumer<String> log;
    private final Runnable changed;
    private Consumer<Bell> heard;
    private Connection connection;
    private Channel channel;
    private volatile boolean listening = false;
    private volatile boolean wanted = true;
    private volatile boolean closed = false;
    private boolean consuming = false;
    private boolean told = false;
    private final ExecutorService turn = Executors.newSingleThreadExecutor(Worker::daemon);
    private Future<?> known = CompletableFuture.completedFuture(null);

    /** `changed` is called when `listening` has become true or false. */
    Rabbit(Settings settings, Consumer<String> log, Runnable changed) {
        this.settings = settings;
        this.log = log;
        this.changed = changed;
        queues = settings.queues().stream().map(queue -> settings.application() + ".jobs." + queue).toList();
        factory = factoryOf(settings.broker());
    }

    private static ConnectionFactory factoryOf(String url) {
        try {
            String bare = url.replaceFirst("\\?.*$", "");
            ConnectionFactory factory = new ConnectionFactory();
            factory.setUri(bare.replaceFirst("(://[^/]+)/$", "$1").replaceFirst("^amqps:", "amqp:")); // "/" alone: the usual virtual host
            if (bare.startsWith("amqps:")) {
                if (URI.create(bare).getPort() < 0) {
                    factory.setPort(ConnectionFactory.DEFAULT_AMQP_OVER_SSL_PORT);
                }
                factory.useSslProtocol(SSLContext.getDefault()); // the client's own way trusts every certificate
                factory.setSocketConfigurator(socket -> {
                    SSLParameters parameters = ((SSLSocket) socket).getSSLParameters();
                    parameters.setEndpointIdentificationAlgorithm("HTTPS");
                    ((SSLSocket) socket).setSSLParameters(parameters);
                });
            }
            factory.setAutomaticRecoveryEnabled(false);
            factory.setRequestedHeartbeat(HEARTBEAT);
            factory.setConnectionTimeout(OPENED_WITHIN);
            return factory;
        } catch (Exception error) {
            throw new SettingsError("CRATON_BROKER cannot be read (" + error.getMessage() + "): give amqp://user:password@host:port/vhost.");
        }
    }

    boolean listening() {
        return listening;
    }

    /** Begin, and go on for as long as this process lasts. */
    void listen(Consumer<Bell> heard) {
        this.heard = heard;
        Thread thread = new Thread(this::stay, "rabbitmq");
        thread.setDaemon(true);
        thread.start();
    }

    /** Be connected, and again after every end of the connection or its channel. */
    private void stay() {
        try {
            for (int tries = 0; !closed; tries++) {
                try {
                    CountDownLatch over = open(factory.newConnection(settings.name()));
                    tries = 0;
                    changed.run();
                    over.await();
                } catch (IOException | TimeoutException | RuntimeException error) {
                    lost(error);
                }
                leave();
                Thread.sleep(Controller.backoff(tries));
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    /** Use a connection; what is returned is counted down when it, or its channel, is over. */
    private synchronized CountDownLatch open(Connection opened) throws IOException {
        connection = opened;
        channel = connection.createChannel();
        CountDownLatch over = new CountDownLatch(1);
        channel.addShutdownListener(cause -> over.countDown());
        channel.basicQos(settings.slots()); // for each consumer
        update();
        if (told) {
            log.accept("RabbitMQ is listened to again");
        }
        told = false;
        listening = true;
        return over;
    }

    private void leave() {
        synchronized (this) {
            listening = false;
            consuming = false;
            if (connection != null) {
                connection.abort(1000);
            }
        }
        changed.run();
    }

    private void lost(Exception error) {
        if (!told) {
            Throwable cause = error.getMessage() == null && error.getCause() != null ? error.getCause() : error;
            log.accept("RabbitMQ cannot be listened to, and is tried again: " + cause);
        }
        told = true;
    }

    /** Whether more bells are wanted; what is not wanted goes to other workers. Resolves when the server knows. */
    synchronized Future<?> wants(boolean more) {
        if (wanted != more) {
            wanted = more;
            known = turn.submit(this::obey);
        }
        return known;
    }

    private synchronized void obey() {
        try {
            if (listening) {
                update();
            }
        } catch (IOException | RuntimeException error) {
            lost(error);
        }
    }

    /** Begin to consume, or cease to. */
    private void update() throws IOException {
        if (consuming == wanted) {
            return;
        }
        consuming = wanted;
        for (String queue : queues) {
            String tag = settings.name() + " " + queue;
            if (consuming) {
                channel.basicConsume(queue, false, tag, new Ear(channel));
            } else {
                channel.basicCancel(tag);
            }
        }
    }

    private final class Ear extends DefaultConsumer {
        Ear(Channel channel) {
            super(channel);
        }

        @Override
        public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
            Bell bell = new Bell(Events.rung(new String(body, StandardCharsets.UTF_8)), getChannel(), envelope.getDeliveryTag());
            if (wanted) {
                heard.accept(bell);
            } else {
                bell.back();
            }
        }

        @Override
        public void handleCancel(String tag) throws IOException { // the queue was deleted
            getChannel().abort();
        }
    }

    void close() {
        closed = true;
        synchronized (this) {
            if (connection != null) {
                connection.abort(2000);
            }
        }
    }
}
