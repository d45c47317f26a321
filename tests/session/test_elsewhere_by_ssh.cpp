// SPDX-License-Identifier: GPL-3.0-or-later
// A run on "another machine": this one, through ssh over its own loopback, by a server of the
// test's own on a free port with keys that it makes. The line is cut, the session goes and comes,
// the far side is killed; the bytes are those of a run here, and every refusal of ssh is a
// sentence.
#include "tests/session/far_desk.h"

#include "engine/rewards/program_reward.h"
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

const std::string kPath = LUTHIER_BINARY_DIR "/bin:/usr/bin:/bin";

/// A port of this machine that is this object's own for as long as it lives; nobody answers there.
class OwnPort {
 public:
  OwnPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* named = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_.get(), named, size) == 0 && ::getsockname(socket_.get(), named, &size) == 0)
      number_ = ntohs(address.sin_port);
  }
  int number() const { return number_; }  ///< 0: there is none

 private:
  const Descriptor socket_;
  int number_ = 0;
};

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
  fs::path made_;  ///< for the server
  fs::path root() const { return tiny_->root(); }
  fs::path keys() const { return keys_.path().toStdString(); }

  /// What `ssh` is for the session: ssh with settings of the test's own.
  void use_ssh(int port) {
    const auto* user = ::getpwuid(::getuid());
    // A label of a name has 63 letters at most: nobody needs to be asked for this one.
    write_text(keys() / "client",
               "Host nowhere\n  HostName " + std::string(80, 'x') + "\nHost far\n" +
                   "  HostName 127.0.0.1\n  HostKeyAlias far\n  Port " + std::to_string(port) +
                   (user ? std::string("\n  User ") + user->pw_name : std::string()) +
                   "\n  IdentityFile " + (keys() / "mine").string() +
                   "\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile " +
                   (keys() / "known").string() +
                   "\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n");
    fs::create_directories(keys() / "bin");
    write_program(keys() / "bin/ssh", "#!/bin/sh\nexec " + found_ssh_.toStdString() + " -F '" +
                                          (keys() / "client").string() + "' \"$@\"\n");
  }

  std::string server_log() const {
    const auto log = read_file(keys() / "server.log");
    return log ? *log : log.error().sentence();
  }

  /// On a port that is free; `path`: what a login's PATH is. Its clients use it with the key
  /// "mine".
  bool start_server(const std::string& path) {
    stop_server();
    // As root, sshd wants an empty folder there.
    if (::getuid() == 0 && ::mkdir("/run/sshd", 0755) == 0) made_ = "/run/sshd";
    for (int tries = 0; tries < 20; ++tries) {
      const int port = OwnPort().number();
      fs::remove(keys() / "server.log");
      write_text(keys() / "server",
                 "Port " + std::to_string(port) + "\nListenAddress 127.0.0.1\nHostKey " +
                     (keys() / "host").string() + "\nAuthorizedKeysFile " +
                     (keys() / "allowed").string() +
                     "\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                     "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
                     "LoginGraceTime 0\nSetEnv PATH=" +
                     path + " XDG_STATE_HOME=" + state_.path().toStdString() +
                     " LUTHIER_PRODUCTS=onednn OMP_NUM_THREADS=1\n");
      const Descriptor kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      const auto started = start_detached(
          {found_sshd_.toStdString(), "-D", "-e", "-f", (keys() / "server").string()},
          keys() / "server.log", kept);
      if (!started) return false;
      server_ = *started;
      use_ssh(port);
      bool listens = false;
      const bool settled = wait_for([&] {
        listens = server_log().find("Server listening on 127.0.0.1 port") != std::string::npos;
        return listens || ::waitpid(server_, nullptr, WNOHANG) == server_;
      });
      if (listens) return true;
      server_ = 0;  // it has ended
      if (!settled || server_log().find("in use") == std::string::npos) return false;
    }
    return false;
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
      QCOMPARE(QProcess::execute(
                   keygen, {QStringLiteral("-q"), QStringLiteral("-t"), QStringLiteral("ed25519"),
                            QStringLiteral("-N"), QString(), QStringLiteral("-f"),
                            QString::fromStdString((keys() / key).string())}),
               0);
    fs::copy_file(keys() / "mine.pub", keys() / "allowed");
    const auto host_key = read_file(keys() / "host.pub");
    QVERIFY(host_key.ok());
    write_text(keys() / "known", "far " + *host_key);
    qputenv("PATH", (keys() / "bin").string().c_str() + QByteArray(":") + qgetenv("PATH"));
    QVERIFY2(start_server(kPath), server_log().c_str());
    tiny_ = std::make_unique<TinyRun>(TinyModel{}, 40);
    const HeldRun free = held("undisturbed");
    free.let_go();
    const auto program = name_reward_program(free.program());
    QVERIFY(program.ok());
    const auto trained = train_headless(recipe("undisturbed"), {}, {}, {});
    QVERIFY2(trained.ok(), trained ? "" : trained.error().sentence().c_str());
  }
  void cleanupTestCase() {
    stop_server();
    std::error_code problem;
    if (!made_.empty()) fs::remove(made_, problem);
  }

  Recipe recipe(const std::string& run) const {
    return tiny_->recipe(
        run,
        held_settings({"samples.every=5", "samples.dataset=" + (root() / "eval.jsonl").string()}));
  }
  HeldRun held(const std::string& run) const { return HeldRun(root() / (run + ".sh")); }

  void a_run_on_another_machine_is_driven_and_its_files_come_over() {
    const HeldRun held = this->held("far-one");
    Driven one;
    one.session.launch_elsewhere(far("mirror-one"), order_of(recipe("far-one"), held));
    held.let(2);
    const auto* started = one.next<RunStarted>();
    QVERIFY2(started, one.said());
    QCOMPARE(started->folder, root() / "mirror-one");
    SEES(one, next_step(2));
    one.session.pause();
    SEES(one, next_state(SessionState::Pausing));
    held.let(3);
    SEES(one, next_state(SessionState::Paused));
    // The picture is here, and goes along.
    const RequestId asked = one.session.answer({{far_question()}, {std::nullopt, "training"}, {4}});
    const auto* done = one.next_done(asked);
    QVERIFY2(done && !done->error && !done->cancelled, one.said());
    one.session.resume();
    held.let_go();
    const auto* end = one.ends_as("finished");
    QVERIFY2(end, one.said());
    QCOMPARE(end->folder, root() / "mirror-one");
    QCOMPARE(untold(one, root() / "far-one"), QString());
    QCOMPARE(differences(root() / "far-one", root() / "undisturbed"), QString());
    // What came over is what is there: curves, samples, drawn answers, the result.
    QCOMPARE(differences(root() / "mirror-one", root() / "far-one"), QString());
    for (const char* file : {"samples.jsonl", "events.jsonl", "rollouts.jsonl", "run.json"}) {
      const auto here = sha256_file(root() / "mirror-one" / file),
                 there = sha256_file(root() / "far-one" / file);
      QVERIFY2(here.ok() && there.ok() && *here == *there, file);
    }
    QVERIFY(!fs::exists(root() / "mirror-one/checkpoints"));
  }

  void a_cut_line_is_mended() {
    const HeldRun held = this->held("far-cut");
    Driven one;
    one.session.launch_elsewhere(far("mirror-cut"), order_of(recipe("far-cut"), held));
    held.let(2);
    SEES(one, next_step(2));
    QVERIFY(kill_all(own_lines()));
    held.let(6);  // the run does not wait for anybody
    const auto* line = one.next_line(false);
    QVERIFY2(line, one.said());
    QCOMPARE(line->place.host, std::string("far"));
    SEES(one, next_line(true));
    SEES(one, next_step(6));
    held.let_go();
    SEES(one, ends_as("finished"));
    QCOMPARE(untold(one, root() / "far-cut"), QString());
    QCOMPARE(differences(root() / "far-cut", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-cut", root() / "undisturbed"), QString());
  }

  void the_session_goes_and_another_comes() {
    const HeldRun held = this->held("far-two");
    std::string run;
    {
      Driven first;
      run = first.session.launch_elsewhere(far("mirror-two"), order_of(recipe("far-two"), held));
      held.let(3);
      SEES(first, next_step(3));
    }
    QVERIFY(own_lines().empty());
    held.let(6);
    Driven second;
    second.session.attach_run(far("mirror-two"), run);
    SEES(second, next_step(6));
    held.let_go();
    SEES(second, ends_as("finished"));
    QCOMPARE(untold(second, root() / "far-two"), QString());
    QCOMPARE(differences(root() / "far-two", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-two", root() / "undisturbed"), QString());
  }

  void the_far_side_is_killed_and_its_run_goes_on() {
    const HeldRun held = this->held("far-killed");
    Driven one;
    const std::string run =
        one.session.launch_elsewhere(far("mirror-killed"), order_of(recipe("far-killed"), held));
    held.let(6);
    SEES(one, next_step(6));
    QVERIFY(kill_all(hosts_of(run)));
    const auto* end = one.ends_as("interrupted");
    QVERIFY2(end && end->error, one.said());
    const QString sentence = QString::fromStdString(end->error->sentence());
    QVERIFY2(sentence.contains("go on from step 4"), qPrintable(sentence));
    const auto mirrored = read_mirrored(root() / "mirror-killed");
    QVERIFY(mirrored);
    QCOMPARE(mirrored->host, std::string("far"));
    QCOMPARE(mirrored->output, root() / "far-killed");
    held.let_go();
    one.forget();
    one.session.launch_elsewhere(far("mirror-killed"),
                                 order_of(recipe("far-killed"), held, mirrored->output));
    SEES(one, ends_as("finished"));
    QCOMPARE(differences(root() / "far-killed", root() / "undisturbed"), QString());
    QCOMPARE(differences(root() / "mirror-killed", root() / "undisturbed"), QString());
  }

  void what_ssh_refuses_is_a_sentence() {
    const auto refusal = [&](const std::string& host) {
      Driven one;
      one.session.launch_elsewhere({host, root(), root() / "mirror-no"},
                                   order_of(recipe("far-no")));
      const auto* end = one.ends_as("failed");
      return end && end->error ? QString::fromStdString(end->error->sentence())
                               : QString::fromUtf8(one.said());
    };
    const QString unknown = refusal("nowhere");
    QVERIFY2(unknown.contains("no machine of that name"), qPrintable(unknown));
    const auto known = read_file(keys() / "known");
    QVERIFY(known.ok());
    write_text(keys() / "known", "");
    const QString strange = refusal("far");
    QVERIFY2(strange.contains("key is not known"), qPrintable(strange));
    write_text(keys() / "known", *known);
    QVERIFY2(start_server("/usr/bin:/bin"), server_log().c_str());
    const QString missing = refusal("far");
    QVERIFY2(missing.contains("no luthier-cli"), qPrintable(missing));
    fs::create_directories(keys() / "old");
    write_program(keys() / "old/luthier-cli",
                  "#!/bin/sh\necho '{\"hello\": \"luthier\", \"protocol\": 1, \"version\": "
                  "\"0.0.1\"}'\nexec cat >/dev/null\n");
    QVERIFY2(start_server((keys() / "old").string() + ":/usr/bin:/bin"), server_log().c_str());
    const QString old = refusal("far");
    QVERIFY2(old.contains("0.0.1 there"), qPrintable(old));
    const OwnPort closed_port;
    use_ssh(closed_port.number());
    const QString closed = refusal("far");
    QVERIFY2(closed.contains("cut") && closed.contains("refused"), qPrintable(closed));
    QVERIFY2(start_server(kPath), server_log().c_str());
    fs::copy_file(keys() / "foreign.pub", keys() / "allowed", fs::copy_options::overwrite_existing);
    const QString locked = refusal("far");
    QVERIFY2(locked.contains("without a password"), qPrintable(locked));
  }
};

QTEST_GUILESS_MAIN(TestElsewhereBySsh)
#include "test_elsewhere_by_ssh.moc"
