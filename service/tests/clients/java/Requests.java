// Requests as the JDK's client makes them by default: over plain HTTP each offers HTTP/2 (`Upgrade: h2c`), and connections are
// kept. Every request must be answered, over HTTP/1.1.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Requests {
    static final String ADDRESS = System.getenv("VAULT_ADDR") + "/v1/";
    static final String TOKEN = System.getenv("VAULT_TOKEN");
    static final int CALLERS = 4;
    static final int ROUNDS = 100;

    public static void main(String[] none) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        send(client, "POST", "transit/keys/java", "{}");
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        List<Callable<Integer>> work = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
            work.add(() -> rounds(client));
        }
        int answered = 0;
        for (Future<Integer> done : callers.invokeAll(work)) {
            answered += done.get();
        }
        callers.shutdown();
        System.out.println("answered " + answered);
    }

    static int rounds(HttpClient client) throws Exception {
        for (int round = 0; round < ROUNDS; round++) {
            send(client, "GET", "sys/health", null);
            send(client, "POST", "transit/encrypt/java", "{\"plaintext\":\"aGVsbG8=\"}");
        }
        return 2 * ROUNDS;
    }

    static void send(HttpClient client, String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(ADDRESS + path))
            .header("X-Vault-Token", TOKEN)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
        if (answer.statusCode() != 200 || answer.version() != HttpClient.Version.HTTP_1_1) {
            throw new IllegalStateException(method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        }
    }
}
