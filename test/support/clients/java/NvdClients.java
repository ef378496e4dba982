import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.github.jeremylong.openvulnerability.client.nvd.DefCveItem;
import io.github.jeremylong.openvulnerability.client.nvd.NvdCveClient;
import io.github.jeremylong.openvulnerability.client.nvd.NvdCveClientBuilder;
import java.io.File;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.util.Map;
import org.owasp.dependencycheck.Engine;
import org.owasp.dependencycheck.utils.Downloader;
import org.owasp.dependencycheck.utils.Settings;

/**
 * Real Java clients of NVD. Each fetches everything and prints a line of JSON for each CVE that it then has.
 *
 *   NvdClients api ENDPOINT                        open-vulnerability-clients over the API: {id, data}
 *   NvdClients update PROPERTIES DATA_DIRECTORY    DependencyCheck's own update: {id, description, references, cpes}
 */
final class NvdClients {
  private static final ObjectMapper JSON = new ObjectMapper().registerModule(new JavaTimeModule());
  private static final PrintStream LINES = System.out;

  public static void main(String[] args) throws Exception {
    // Log lines of the libraries go to stderr: standard output has the records alone.
    System.setOut(System.err);
    if (args[0].equals("api")) fetch(args[1]);
    else update(new File(args[1]), args[2]);
    LINES.flush();
    System.exit(0);
  }

  private static void fetch(String endpoint) throws Exception {
    try (NvdCveClient client =
        NvdCveClientBuilder.aNvdCveApi().withEndpoint(endpoint).withApiKey("any").withResultsPerPage(1000).build()) {
      while (client.hasNext()) {
        for (DefCveItem item : client.next()) {
          LINES.println(JSON.writeValueAsString(Map.of("id", item.getCve().getId(), "data", item.getCve())));
        }
      }
    }
  }

  /** What `dependency-check --updateonly --propertyfile PROPERTIES` does. */
  private static void update(File properties, String directory) throws Exception {
    Settings settings = new Settings();
    settings.mergeProperties(properties);
    settings.setString(Settings.KEYS.DATA_DIRECTORY, directory);
    Downloader.getInstance().configure(settings);
    try (Engine engine = new Engine(settings)) {
      engine.doUpdates();
    }
    String url = settings.getConnectionString(Settings.KEYS.DB_CONNECTION_STRING, Settings.KEYS.DB_FILE_NAME);
    String user = settings.getString(Settings.KEYS.DB_USER);
    String password = settings.getString(Settings.KEYS.DB_PASSWORD);
    String query =
        "SELECT cve, description,"
            + " (SELECT count(*) FROM reference r WHERE r.cveid = v.id) AS refs,"
            + " (SELECT count(*) FROM software s WHERE s.cveid = v.id) AS cpes"
            + " FROM vulnerability v";
    try (Connection database = DriverManager.getConnection(url, user, password);
        ResultSet row = database.createStatement().executeQuery(query)) {
      while (row.next()) {
        LINES.println(
            JSON.writeValueAsString(
                Map.of(
                    "id", row.getString("cve"),
                    "description", row.getString("description"),
                    "references", row.getInt("refs"),
                    "cpes", row.getInt("cpes"))));
      }
    }
    settings.cleanup();
  }
}
