// SPDX-License-Identifier: GPL-3.0-or-later
// A run on "another machine": this one, through ssh over its own loopback, by a server of the
// test's own on a free port with keys that it makes. The line is cut, the session goes and comes,
// the far side is killed; the bytes are those of a run here, and every refusal of ssh is a
// sentence.
#include "tests/session/far_desk.h"

#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/followed_files.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace luthier;
using namespace luthier::test;

namespace {

const std::vector<std::string> kLong{"training.max_steps=150", "training.save_steps=20",
                                     "samples.every=50", "samples.dataset=eval.jsonl"};

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int port = 0;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    port = ntohs(address.sin_port);
  ::close(socket);
  return port;
}

bool run_program(const QString& program, const QStringList& arguments) {
  std::vector<std::string> words{program.toStdString()};
  for (const QString& each : arguments) words.push_back(each.toStdString());
  auto child = TalkingChild::start(words);
  return child && child->finish() == 0;
}

void write_program(const fs::path& path, const std::string& text) {
  write_text(path, text);
  fs::permissions(path, fs::perms::owner_all);
}

}  // namespace

class TestElsewhereBySsh : public QObject {
  Q_OBJECT

  QTemporaryDir state_, keys_;
  std::unique_ptr<TinyRun> tiny_;
  pid_t server_ = 0;
  int port_ = 0;
  fs::path root() const { return tiny_->root(); }
  fs::path keys() const { return keys_.path().toStdString(); }

  /// What `ssh` is for the session: ssh with settings of the test's own.
  void use_ssh(const std::string& key) {
    const std::string user = ::getpwuid(::getuid())->pw_name;
    write_text(keys() / "client",
               "Host far nobody closed odd\n  HostName 127.0.0.1\n  Port " + std::to_string(port_) +
                   "\n  User " + user + "\n  IdentityFile " + (keys() / key).string() +
                   "\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile " +
                   (keys() / "known").string() + "\n  StrictHostKeyChecking yes\n");
    fs::create_directories(keys() / "bin");
    write_program(keys() / "bin/ssh", "#!/bin/sh\nexec " + found_ssh_.toStdString() + " -F '" +
                                          (keys() / "client").string() + "' \"$@\"\n");
  }

  bool start_server(const std::string& path) {
    write_text(keys() / "server",
               "Port " + std::to_string(port_) + "\nListenAddress 127.0.0.1\nHostKey " +
                   (keys() / "host").string() + "\nAuthorizedKeysFile " +
                   (keys() / "allowed").string() +
                   "\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                   "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
                   "SetEnv PATH=" +
                   path + " XDG_STATE_HOME=" + state_.path().toStdString() +
                   " LUTHIER_PRODUCTS=onednn OMP_NUM_THREADS=1\n");
    const Descriptor kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto started =
        start_detached({found_sshd_.toStdString(), "-D", "-e", "-f", (keys() / "server").string()},
                       keys() / "server.log", kept);
    if (!started) return false;
    server_ = *started;
    return wait_for([&] {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(port_));
      const bool answers =
          ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      ::close(socket);
      return answers || ::waitpid(server_, nullptr, WNOHANG) != 0;
    });
  }
  void stop_server() {
    if (server_ == 0) return;
    ::kill(server_, SIGTERM);
    ::waitpid(server_, nullptr, 0);
    server_ = 0;
  }

  QString found_ssh_, found_sshd_;

  RunPlace far(const std::string& mirror) const { return {"far", root(), root() / mirror}; }

  static std::vector<pid_t> own_lines() {
    std::vector<pid_t> own;
    for (const pid_t each : processes({"luthier-cli", "serve"}))
      if (parent_of(each) == ::getpid()) own.push_back(each);
    return own;
  }

 private slots:
  void initTestCase() {
    set_far_environment(state_.path().toStdString());
    found_ssh_ = QStandardPaths::findExecutable(QStringLiteral("ssh"));
    const QString keygen = QStandardPaths::findExecutable(QStringLiteral("ssh-keygen"));
    found_sshd_ = QStandardPaths::findExecutable(
        QStringLiteral("sshd"), {QStringLiteral("/usr/sbin"), QStringLiteral("/usr/local/sbin")});
    if (found_ssh_.isEmpty() || keygen.isEmpty() || found_sshd_.isEmpty())
      QSKIP("There is no server for ssh here (openssh-server).");
    for (const char* key : {"host", "mine", "foreign"})
      QVERIFY(run_program(keygen,
                          {QStringLiteral("-q"), QStringLiteral("-t"), QStringLiteral("ed25519"),
                           QStringLiteral("-N"), QString(), QStringLiteral("-f"),
                           QString::fromStdString((keys() / key).string())}));
    fs::copy_file(keys() / "mine.pub", keys() / "allowed");
    port_ = free_port();
    const std::string host_key = *read_file(keys() / "host.pub");
    write_text(keys() / "known", "[127.0.0.1]:" + std::to_string(port_) + " " + host_key);
    if (::getuid() == 0) ::mkdir("/run/sshd", 0755);  // where sshd, as root, wants an empty folder
    use_ssh("mine");
    qputenv("PATH", (keys() / "bin").string().c_str() + QByteArray(":") + qgetenv("PATH"));
    if (!start_server(LUTHIER_BINARY_DIR "/bin:/usr/bin:/bin") ||
        ::waitpid(server_, nullptr, WNOHANG) != 0)
      QSKIP("The server for ssh does not start here.");
    tiny_ = std::make_unique<TinyRun>(TinyModel{}, 40);
    auto recipe = tiny_->recipe("undisturbed", settings());
    QVERIFY(train_headless(recipe, {}, {}, {}).ok());
  }
  void cleanupTestCase() { stop_server(); }

  std::vector<std::string> settings() const {
    std::vector<std::string> all = kLong;
    all.back() = "samples.dataset=" + (root() / "eval.jsonl").string();
    return all;
  }

  void a_run_on_another_machine_is_driven_and_its_files_come_over() {
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere(far("mirror-one"), order_of(tiny_->recipe("far-one", settings())));
    QVERIFY(until(session, events, step_from(3)));
    QCOMPARE(all_of<RunStarted>(events).front().folder, root() / "mirror-one");
    session.pause();
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    // The picture is here, and goes along.
    const RequestId asked = session.answer({{far_question()}, {std::nullopt, "training"}, {4}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == asked;
    }));
    QVERIFY(!all_of<RequestDone>(events).back().error);
    session.resume();
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("finished"));
    QCOMPARE(all_of<RunEnded>(events).back().folder, root() / "mirror-one");
    QCOMPARE(untold(events, root() / "far-one"), QString());
    QCOMPARE(differences(root() / "far-one", root() / "undisturbed"), QString());
    // What came over is what is there: curves, samples, the result.
    QCOMPARE(differences(root() / "mirror-one", root() / "far-one"), QString());
    for (const char* file : {"samples.jsonl", "events.jsonl", "run.json"})
      QCOMPARE(*sha256_file(root() / "mirror-one" / file), *sha256_file(root() / "far-one" / file));
    QVERIFY(!fs::exists(root() / "mirror-one/checkpoints"));
  }

  void a_cut_line_is_mended() {
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere(far("mirror-cut"), order_of(tiny_->recipe("far-cut", settings())));
    for (const std::int64_t step : {2, 60}) {
      QVERIFY(until(session, events, step_from(step)));
      QVERIFY(kill_all(own_lines()));
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        const auto* line = std::get_if<LineChanged>(&event);
        return line && line->why;
      }));
      QCOMPARE(all_of<LineChanged>(events).back().place.host, std::string("far"));
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        const auto* line = std::get_if<LineChanged>(&event);
        return line && !line->why;
      }));
    }
    if (all_of<RunEnded>(events).empty()) QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(untold(events, root() / "far-cut"), QString());
    QCOMPARE(differences(root() / "far-cut", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-cut", root() / "undisturbed"), QString());
  }

  void the_session_goes_and_another_comes() {
    std::string run;
    {
      Session first;
      std::vector<SessionEvent> events;
      run =
          first.launch_elsewhere(far("mirror-two"), order_of(tiny_->recipe("far-two", settings())));
      QVERIFY(until(first, events, step_from(3)));
    }
    WAIT_UNTIL(own_lines().empty());
    Session second;
    std::vector<SessionEvent> events;
    second.attach_run(far("mirror-two"), run);
    QVERIFY(until(second, events, is_end_of_run));
    QCOMPARE(untold(events, root() / "far-two"), QString());
    QCOMPARE(differences(root() / "far-two", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-two", root() / "undisturbed"), QString());
  }

  void the_far_side_is_killed_and_its_run_goes_on() {
    Session session;
    std::vector<SessionEvent> events;
    const Recipe recipe = tiny_->recipe("far-killed", settings());
    const std::string run = session.launch_elsewhere(far("mirror-killed"), order_of(recipe));
    QVERIFY(until(session, events, step_from(45)));
    QVERIFY(kill_all(hosts_of(run)));
    QVERIFY(until(session, events, is_end_of_run));
    const auto end = all_of<RunEnded>(events).back();
    QCOMPARE(end.state, std::string("interrupted"));
    QVERIFY(end.error->sentence().find("go on from step") != std::string::npos);
    WAIT_UNTIL(!session.has_run());
    const auto mirrored = read_mirrored(root() / "mirror-killed");
    QVERIFY(mirrored);
    QCOMPARE(mirrored->host, std::string("far"));
    QCOMPARE(mirrored->output, root() / "far-killed");
    session.launch_elsewhere(far("mirror-killed"), order_of(recipe, mirrored->output));
    events.clear();
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("finished"));
    QCOMPARE(differences(root() / "far-killed", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-killed", root() / "undisturbed"), QString());
  }

  void what_ssh_refuses_is_a_sentence() {
    const auto refusal = [&](const std::string& host) {
      Session session;
      std::vector<SessionEvent> events;
      session.launch_elsewhere({host, root(), root() / "mirror-no"},
                               order_of(tiny_->recipe("far-no", settings())));
      if (!until(session, events, is_end_of_run)) return QString();
      const auto end = all_of<RunEnded>(events).back();
      return QString::fromStdString(end.error ? end.error->sentence() : std::string());
    };
    use_ssh("foreign");
    QVERIFY2(refusal("far").contains("without a password"), qPrintable(refusal("far")));
    use_ssh("mine");
    const QString unknown = refusal("no-such-machine.invalid");
    QVERIFY2(unknown.contains("no machine of that name"), qPrintable(unknown));
    const std::string known = *read_file(keys() / "known");
    write_text(keys() / "known", "");
    const QString strange = refusal("far");
    QVERIFY2(strange.contains("key is not known"), qPrintable(strange));
    write_text(keys() / "known", known);
    stop_server();
    const QString closed = refusal("far");
    QVERIFY2(closed.contains("cut") && closed.contains("refused"), qPrintable(closed));
    QVERIFY(start_server("/usr/bin:/bin"));
    const QString missing = refusal("far");
    QVERIFY2(missing.contains("no luthier-cli"), qPrintable(missing));
    stop_server();
    fs::create_directories(keys() / "old");
    write_program(keys() / "old/luthier-cli",
                  "#!/bin/sh\necho '{\"hello\": \"luthier\", \"protocol\": 1, \"version\": "
                  "\"0.0.1\"}'\nsleep 1\n");
    QVERIFY(start_server((keys() / "old").string() + ":/usr/bin:/bin"));
    const QString old = refusal("far");
    QVERIFY2(old.contains("0.0.1 there"), qPrintable(old));
  }
};

QTEST_GUILESS_MAIN(TestElsewhereBySsh)
#include "test_elsewhere_by_ssh.moc"
