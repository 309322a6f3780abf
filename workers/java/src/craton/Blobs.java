// Files that all workers and services share, in a folder.
package craton;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.stream.Stream;

/** The blobs at file:///..., as CRATON_BLOBS says. Names are paths in them: "transcoding/job-1/1-3/piece.mp4". */
public final class Blobs {
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
        Path part = part(name);
        Files.write(part, bytes);
        publish(part, name);
    }

    /** Store a file; it becomes visible whole or not at all. */
    public void putFile(String name, Path file) throws IOException {
        Path part = part(name);
        Files.copy(file, part, StandardCopyOption.REPLACE_EXISTING);
        publish(part, name);
    }

    private Path part(String name) throws IOException {
        Path file = local(name);
        Files.createDirectories(file.getParent());
        return file.resolveSibling(file.getFileName() + "." + ProcessHandle.current().pid() + "-" + Thread.currentThread().getId() + ".part");
    }

    private void publish(Path part, String name) throws IOException {
        Files.move(part, local(name), StandardCopyOption.ATOMIC_MOVE);
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
