// What workers in Java do for transcoding: encode pieces with ffmpeg, as apps/video/transcoding/work.py does.
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import craton.Job;
import craton.Worker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

public final class Video {
    /** The same as of workers in Python, whose next job removes the folders of processes that were killed. */
    private static final String SCRATCH = "craton-ffmpeg-";
    private static final List<String> LIMITS = // bytes of memory, and of the largest file
            List.of("prlimit", "--as=4294967296", "--fsize=68719476736", "--core=0");
    private static final List<String> BEFORE =
            List.of("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-progress", "pipe:1", "-stats_period", "0.5");

    record Encoded(String rendition, int index, String path, int frames, long size) {}

    /** A Chunk: `ffmpeg <before> -i <source> <after> <a file>`. */
    static Encoded encode(JsonObject chunk, Job job) throws Exception {
        String rendition = chunk.get("rendition").getAsString();
        int index = chunk.get("index").getAsInt();
        String blob = String.format("%s/%s-%05d.mp4", job.folder, rendition, index);
        Path folder = Files.createTempDirectory(SCRATCH + ProcessHandle.current().pid() + "-");
        try {
            Path target = folder.resolve("piece.mp4");
            List<String> command = new ArrayList<>(LIMITS);
            command.addAll(BEFORE);
            command.addAll(texts(chunk.getAsJsonArray("before")));
            command.addAll(List.of("-i", job.blobs().local(chunk.get("source").getAsString()).toString()));
            command.addAll(texts(chunk.getAsJsonArray("after")));
            command.add(target.toString());
            int frames = ffmpeg(command, job, chunk.get("frames").getAsInt());
            job.blobs().putFile(blob, target);
            return new Encoded(rendition, index, blob, frames, Files.size(target));
        } finally {
            remove(folder);
        }
    }

    /** Run ffmpeg, telling how far it is; the frames it made. */
    private static int ffmpeg(List<String> command, Job job, int expected) throws Exception {
        AtomicInteger frames = new AtomicInteger();
        job.run(command, line -> {
            if (line.matches("frame=\\s*\\d+\\s*")) {
                frames.set(Integer.parseInt(line.substring(6).strip()));
                job.progress(Math.min(1.0, frames.get() / Math.max(1.0, expected)));
            }
        });
        return frames.get();
    }

    private static List<String> texts(JsonArray array) {
        return array.asList().stream().map(JsonElement::getAsString).toList();
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(one);
            }
        }
    }

    public static void main(String[] arguments) {
        Worker.run(Map.of("transcoding.encode", Video::encode));
    }
}
