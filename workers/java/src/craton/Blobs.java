// Files that all workers and services share, in a folder.
package craton;

import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/** The blobs at file:///..., as CRATON_BLOBS says. Names are paths in them: "transcoding/job-1/1-3/piece.mp4". */
public final class Blobs {
    private static final int TRIES = 20;
    private final Path root;

    Blobs(String url) {
        if (url == null || !url.startsWith("file://")) {
            throw new SettingsError("CRATON_BLOBS is " + url + ": this worker keeps blobs in a folder, give file:///...;"
                    + " for blobs in S3 use workers in Python or Node.js.");
        }
        root = Path.of(URI.create(url));
    }

    /** The file that holds a blob, only to be read. */
    public Path local(String name) {
        Path file = root.resolve(name).normalize();
        if (name.isEmpty() || !file.startsWith(root) || file.equals(root)) {
            throw new IllegalArgumentException("\"" + name + "\" is no path of a blob");
        }
        return file;
    }

    /** Store bytes; they become visible all at once. */
    public void put(String name, byte[] bytes) throws IOException {
        store(name, partial -> Files.write(partial, bytes));
    }

    /** Store a file; it becomes visible whole or not at all. */
    public void putFile(String name, Path file) throws IOException {
        store(name, partial -> Files.copy(file, partial, StandardCopyOption.REPLACE_EXISTING));
    }

    private interface Writing {
        void to(Path partial) throws IOException;
    }

    /** Written beside its place, and moved there when it is whole and on the disk. (`.partial`: shown to nobody.) */
    private void store(String name, Writing writing) throws IOException {
        Path file = local(name);
        String random = String.format("%012x", ThreadLocalRandom.current().nextLong(1L << 48));
        Path partial = file.resolveSibling(file.getFileName() + "." + random + ".partial");
        try {
            write(writing, partial);
            settle(partial);
            Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
            settle(file.getParent());
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    /** Write in a folder, which others may remove meanwhile since it is empty. */
    private static void write(Writing writing, Path partial) throws IOException {
        for (int tries = 1; ; tries++) {
            Files.createDirectories(partial.getParent());
            try {
                writing.to(partial);
                return;
            } catch (NoSuchFileException error) {
                if (tries == TRIES) {
                    throw error;
                }
            }
        }
    }

    /** Have a file, or the names in a folder, on the disk. */
    private static void settle(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Remove a blob, or all below a path. */
    public void delete(String name) throws IOException {
        try (Stream<Path> all = Files.walk(local(name))) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(one);
            }
        } catch (NoSuchFileException error) {
            // nothing is there
        }
    }
}
