// SPDX-License-Identifier: GPL-3.0-or-later
// What a run elsewhere lies on: lines and their limits, the numbered journal, the post by which a
// process is found, the files that are followed over a line.
#include <QtTest>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "engine/base/base64.h"
#include "engine/io/files.h"
#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/elsewhere/journal.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/runs/run_folder.h"
#include "tests/patience.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

Json happening(const std::string& name) { return {{"event", name}}; }

Json step(std::int64_t number) {
  return {{"event", "step"}, {"line", {{"step", number}}}, {"eta_seconds", 1.0}};
}

std::vector<std::uint64_t> numbers(const std::vector<std::string>& lines) {
  std::vector<std::uint64_t> found;
  for (const std::string& line : lines) found.push_back(line_number(line));
  return found;
}

void append_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary | std::ios::app) << text;
}

LaunchOrder order_of(const std::string& run, const fs::path& folder) {
  LaunchOrder order;
  order.run = run;
  order.recipe = "model: m\ndataset: d.jsonl\noutput_dir: runs/one\n";
  order.folder = folder;
  return order;
}

/// JSON that is written with ' in the place of ".
std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

}  // namespace

class TestElsewhere : public QObject {
  Q_OBJECT

  QTemporaryDir folder_;
  fs::path root() const { return folder_.path().toStdString(); }

 private slots:
  void initTestCase() { qputenv("XDG_STATE_HOME", (root() / "state").c_str()); }

  void orders_are_read_back() {
    LaunchOrder launch = order_of("a-run-of-mine", "/tmp");
    launch.resume = "runs/old";
    launch.held_out_answers = 3;
    const auto again = read_order(order_line(launch));
    QVERIFY(again.ok());
    const auto& read = std::get<LaunchOrder>(*again);
    QCOMPARE(read.recipe, launch.recipe);
    QCOMPARE(read.resume, launch.resume);
    QCOMPARE(read.held_out_answers, std::size_t(3));
    RunCommand edit;
    edit.command = "edit";
    edit.setting = "learning_rate";
    edit.value = 3e-5;
    const auto edited = read_order(order_line(edit));
    QVERIFY(edited.ok());
    QCOMPARE(std::get<RunCommand>(*edited).value, 3e-5);
    QCOMPARE(session_command(*edited), std::string("set_learning_rate"));
    QCOMPARE(std::get<AttachOrder>(*read_order(order_line(AttachOrder{"a-run-of-mine", 7}))).after,
             std::uint64_t(7));
    // A later version's field is passed over.
    QVERIFY(read_order(quoted("{'command': 'pause', 'tomorrow': {'a': [1]}}")).ok());
  }

  void what_is_wrong_is_named_data() {
    QTest::addColumn<QByteArray>("line");
    QTest::addColumn<QString>("named");
    QTest::newRow("no JSON") << QByteArray("pause") << "the command";
    QTest::newRow("no object") << QByteArray("[1]") << "object";
    QTest::newRow("no command") << QByteArray("{}") << "command";
    QTest::newRow("unknown") << QByteArray::fromStdString(quoted("{'command': 'format'}"))
                             << "no such command";
    QTest::newRow("a way out") << QByteArray::fromStdString(
                                      quoted("{'command': 'attach', 'run': '../../etc'}"))
                               << "run's name";
    QTest::newRow("a type") << QByteArray::fromStdString(quoted("{'command': 'attach', 'run': 3}"))
                            << "run";
    QTest::newRow("below 0") << QByteArray::fromStdString(
                                    quoted("{'command': 'attach', 'run': '12345678', 'after': -1}"))
                             << "after";
    QTest::newRow("no value") << QByteArray::fromStdString(quoted("{'command': 'edit'}"))
                              << "setting";
    QTest::newRow("no UTF-8") << QByteArray("{\"command\": \"\xff\"}") << "the command";
    QTest::newRow("deep") << QByteArray::fromStdString(quoted("{'command': 'answer', 'asked': ")) +
                                 QByteArray(5000, '[')
                          << "the command";
    QTest::newRow("a NUL") << QByteArray(
                                  "{\"command\": \"launch\", \"run\": \"12345678\", \"recipe\": "
                                  "\"\", \"folder\": \"a\\u0000b\"}")
                           << "folder";
  }
  void what_is_wrong_is_named() {
    QFETCH(QByteArray, line);
    QFETCH(QString, named);
    const auto order = read_order(line.toStdString());
    QVERIFY(!order.ok());
    const QString said = QString::fromStdString(order.error().sentence());
    QVERIFY2(said.contains(named), qPrintable(said));
  }

  void a_line_that_is_too_long_is_passed_over() {
    LineBuffer lines(10, "a test");
    lines.add("one\n\n  \ntwo and much more than ten");
    QCOMPARE(**lines.next(), std::string("one"));
    const auto refused = lines.next();
    QVERIFY(refused && !refused->ok());
    QVERIFY(!lines.next());
    lines.add(" bytes\nthree\nfo");
    QCOMPARE(**lines.next(), std::string("three"));
    QVERIFY(!lines.next());
    lines.add("ur\n");
    QCOMPARE(**lines.next(), std::string("four"));
    lines.add("more than ten at once\nfive\n");
    QVERIFY(!lines.next()->ok());
    QCOMPARE(**lines.next(), std::string("five"));
  }

  void a_journal_is_read_on_from_a_number() {
    const fs::path file = root() / "journal.jsonl";
    JournalReader before(file, 0);
    QVERIFY(before.read_on()->empty());  // it is not there yet
    auto writer = JournalWriter::open(file);
    QVERIFY(writer.ok());
    QVERIFY(writer->append(happening("begun")).ok());
    QVERIFY(writer->append(step(1)).ok());
    QCOMPARE(numbers(*before.read_on()), (std::vector<std::uint64_t>{1, 2}));
    QVERIFY(before.read_on()->empty());
    QVERIFY(writer->append(step(2)).ok());
    QCOMPARE(numbers(*before.read_on()), (std::vector<std::uint64_t>{3}));
    JournalReader behind(file, 2);
    QCOMPARE(numbers(*behind.read_on()), (std::vector<std::uint64_t>{3}));
  }

  void a_torn_line_is_cut_and_never_told() {
    const fs::path file = root() / "torn.jsonl";
    QVERIFY(JournalWriter::open(file)->append(happening("begun")).ok());
    append_text(file, quoted("{'n':2,'event':'st"));
    JournalReader reader(file, 0);
    QCOMPARE(numbers(*reader.read_on()), (std::vector<std::uint64_t>{1}));
    auto writer = JournalWriter::open(file);
    QVERIFY(writer.ok());
    QVERIFY(writer->append(happening("run_ended")).ok());
    JournalReader fresh(file, 1);
    const auto lines = fresh.read_on();
    QCOMPARE(numbers(*lines), (std::vector<std::uint64_t>{2}));
    QVERIFY(QString::fromStdString(lines->front()).contains("run_ended"));
  }

  void a_journal_stays_small_and_its_reader_misses_nothing() {
    const fs::path file = root() / "small.jsonl";
    JournalLimits limits;
    limits.bytes = 20'000;
    limits.steps = 100;
    limits.answers = 4;
    limits.requests = 0;
    auto writer = JournalWriter::open(file, limits);
    QVERIFY(writer.ok());
    JournalReader attached(file, 0);
    std::vector<std::uint64_t> all;
    int steps_seen = 0;
    const auto look = [&] {
      const auto lines = attached.read_on();
      for (const std::string& line : *lines) {
        all.push_back(line_number(line));
        steps_seen += line.find("\"event\":\"step\"") != std::string::npos;
      }
    };
    for (int i = 0; i < 3000; ++i) {
      QVERIFY(writer->append(step(i)).ok());
      QVERIFY(writer->append({{"event", "progress"}, {"what", "rows"}}).ok());
      if (i % 100 == 0) QVERIFY(writer->append(happening("state")).ok());
      if (i % 100 == 1)
        QVERIFY(writer->append({{"event", "answer"}, {"final", true}, {"text", "x"}}).ok());
      if (i % 7 == 0) look();
    }
    look();
    // Who reads on has every step, once and in order, however often the file was written anew.
    QCOMPARE(steps_seen, 3000);
    QVERIFY(std::adjacent_find(all.begin(), all.end(), std::greater_equal<>()) == all.end());
    QCOMPARE(all.back(), writer->last());
    QVERIFY(fs::file_size(file) < 45'000);
    JournalReader late(file, 0);
    const auto lines = late.read_on();
    int states = 0;
    for (const std::string& line : *lines) states += line.find("\"state\"") != std::string::npos;
    QCOMPARE(states, 30);  // what happened once stays
    QCOMPARE(line_number(lines->back()), writer->last());
    QVERIFY(numbers(*lines).front() == 1);  // and so does the curve's beginning
  }

  void of_many_steps_the_older_half_is_thinned() {
    JournalLimits limits;
    limits.steps = 10;
    std::vector<std::string> lines;
    for (int i = 1; i <= 30; ++i) {
      Json json = step(i);
      if (i == 4) json["line"]["eval_loss"] = 1.0;
      Json numbered{{"n", i}};
      numbered.update(json);
      lines.push_back(json_line(numbered));
    }
    const auto kept = numbers(kept_lines(lines, limits));
    QVERIFY(std::find(kept.begin(), kept.end(), 4) !=
            kept.end());  // an evaluation is never dropped
    for (std::uint64_t i = 26; i <= 30; ++i)
      QVERIFY(std::find(kept.begin(), kept.end(), i) != kept.end());
    QVERIFY(kept.size() < 20);
  }

  void all_answers_of_the_newest_requests_stay() {
    JournalLimits limits;
    limits.answers = 2;
    limits.requests = 2;
    std::vector<std::string> lines;
    for (int i = 1; i <= 30; ++i) {
      Json json{{"n", i}};
      json["event"] = "answer";
      json["final"] = true;
      json["client"] = "a-client";
      json["request"] = (i - 1) / 10;  // three of ten answers
      lines.push_back(json_line(json));
    }
    const auto kept = numbers(kept_lines(lines, limits));
    QCOMPARE(kept.size(), std::size_t(20));
    QCOMPARE(kept.front(), std::uint64_t(11));
  }

  void a_post_is_the_users_own_and_has_one_process() {
    const RunPost post = *post_of("first-run");
    QVERIFY(!post.exists());
    {
      const auto lock = make_post(post, order_of("first-run", root()));
      QVERIFY2(lock.ok(), lock.ok() ? "" : lock.error().sentence().c_str());
      QVERIFY(post.exists());
      QVERIFY(post.is_held());
      struct stat about {};
      QCOMPARE(::stat(post.folder.c_str(), &about), 0);
      QCOMPARE(about.st_mode & 0777u, 0700u);
      QCOMPARE(::stat(post.commands().c_str(), &about), 0);
      QCOMPARE(about.st_mode & 0777u, 0600u);
      QVERIFY(!*take_post(post));
      QVERIFY(!make_post(post, order_of("first-run", root())).ok());
      QVERIFY(close_journal(post).ok());
      QVERIFY(!fs::exists(post.journal()));  // it lives: its end is not ours to write
    }
    QVERIFY(!post.is_held());
    QVERIFY(!send_to_post(post, "{}").ok());  // nobody reads any more
    QCOMPARE(read_post_order(post)->recipe, order_of("", {}).recipe);
    const auto listed = list_posts();
    QCOMPARE(listed.size(), std::size_t(1));
    QCOMPARE(listed[0].output, root() / "runs/one");
    QVERIFY(!listed[0].held);
  }

  void a_machine_that_is_called_otherwise_finds_its_runs() {
    const fs::path machines = posts_folder()->parent_path();
    const RunPost renamed{"renamed-run", machines / "former-name" / "renamed-run"},
        foreign{"foreign-run", machines / "other-machine" / "foreign-run"};
    const auto lock = make_post(renamed, order_of(renamed.run, root()));
    QVERIFY(lock.ok());
    QVERIFY(make_post(foreign, order_of(foreign.run, root())).ok());
    // It was another machine, or this one before it was started anew.
    QVERIFY(write_file_atomically(foreign.folder.parent_path() / ".boot", "another").ok());
    QCOMPARE(post_of(renamed.run)->folder, renamed.folder);
    QVERIFY(!post_of(foreign.run)->exists());
    std::vector<std::string> listed;
    for (const PostedRun& each : list_posts())
      if (each.run == renamed.run || each.run == foreign.run) listed.push_back(each.run);
    QCOMPARE(listed, std::vector<std::string>{renamed.run});
  }

  /// A run is told something while its process is only beginning.
  void a_command_waits_for_a_process_that_begins() {
    const RunPost post = *post_of("beginning-run");
    const auto lock = make_post(post, order_of("beginning-run", root()));
    QVERIFY(lock.ok());
    Status sent;
    std::thread sender([&] { sent = send_to_post(post, "{}"); });
    const Descriptor commands(::open(post.commands().c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    std::string text;
    const bool came = luthier::test::wait_for([&] {
      char piece[64];
      const ssize_t got = ::read(commands.get(), piece, sizeof piece);
      if (got > 0) text.append(piece, static_cast<std::size_t>(got));
      return text == "\n{}\n";
    });
    sender.join();
    QVERIFY2(came, text.c_str());
    QVERIFY(sent.ok());
  }

  void what_has_ended_long_ago_is_swept_and_what_lives_is_not() {
    const fs::path posts = *posts_folder();
    const auto age = [](const fs::path& path) {
      fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(24 * 30));
    };
    const RunPost ended = *post_of("ended-long-ago"), lives = *post_of("lives-since-long");
    QVERIFY(make_post(ended, order_of(ended.run, root())).ok());
    const auto lock = make_post(lives, order_of(lives.run, root()));
    QVERIFY(lock.ok());
    for (const RunPost& post : {ended, lives}) age(post.order());
    // Left by who died while making a post, and one that is being made.
    const fs::path left = posts / ".left-half-made.7.new", made = posts / ".being-made.8.new";
    for (const fs::path& each : {left, made}) {
      fs::create_directory(each);
      append_text(each / "lock", "");
    }
    age(left);
    sweep_posts();
    QVERIFY(!ended.exists() && !fs::exists(ended.folder));
    QVERIFY(lives.exists());
    QVERIFY(!fs::exists(left));
    QVERIFY(fs::exists(made));
  }

  void a_killed_run_gets_the_end_that_its_folder_shows() {
    const RunPost post = *post_of("killed-run");
    QVERIFY(make_post(post, order_of("killed-run", root())).ok());
    const auto run = RunFolder::create(root() / "runs/one", "model: m\n");
    QVERIFY(run.ok());
    auto checkpoint = run->begin_checkpoint(12);
    QVERIFY(write_file_atomically(checkpoint->path() / "state.json", "{}").ok());
    QVERIFY(checkpoint->commit().ok());
    {
      auto writer = JournalWriter::open(post.journal());
      QVERIFY(writer->append(happening("begun")).ok());
    }
    append_text(post.journal(), quoted("{'n':2,'eve"));
    for (int times = 0; times < 2; ++times) QVERIFY(close_journal(post).ok());  // written once
    JournalReader reader(post.journal(), 0);
    const auto lines = reader.read_on();
    QCOMPARE(lines->size(), std::size_t(2));
    const auto end = parse_json(lines->back(), "test");
    QVERIFY((*end)["n"].get<int>() > 1);
    QCOMPARE((*end)["state"].get<std::string>(), std::string("interrupted"));
    QCOMPARE((*end)["error"]["hint"].get<std::string>(), std::string("It can go on from step 12."));
  }

  void an_end_is_told_to_who_has_events_that_the_journal_lost() {
    const RunPost post = *post_of("lost-events");
    QVERIFY(make_post(post, order_of("lost-events", root())).ok());
    {
      auto writer = JournalWriter::open(post.journal());
      for (int i = 0; i < 10; ++i) QVERIFY(writer->append(happening("state")).ok());
      QCOMPARE(writer->last(), std::uint64_t(10));
    }
    JournalReader client(post.journal(), 50);
    QVERIFY(client.read_on()->empty());
    QVERIFY(close_journal(post).ok());
    const auto lines = client.read_on();
    QVERIFY(lines.ok());
    QCOMPARE(lines->size(), std::size_t(1));
    QVERIFY(QString::fromStdString(lines->front()).contains("run_ended"));
  }

  void files_are_followed_and_never_lead_out() {
    const fs::path here = root() / "mirror";
    FollowedFiles files(here);
    std::map<std::string, std::string> there{{"metrics.jsonl", "{\"a\":1}\n"},
                                             {"run.json", "{}"},
                                             {"adapter/adapter_model.safetensors", "abc"},
                                             {"model/model.safetensors", "large"},
                                             {"../outside.jsonl", "x"},
                                             {"/etc/outside.jsonl", "x"},
                                             {"a/../../outside.jsonl", "x"}};
    int fetched = 0;
    const auto round = [&](bool all) {
      files.start_round(all);
      while (const auto order = files.next()) {
        if (std::holds_alternative<FilesOrder>(*order)) {
          Json list = Json::array();
          for (const auto& [name, text] : there)
            list.push_back({{"name", name}, {"bytes", text.size()}});
          QVERIFY(files.take({{"files", list}}).ok());
          continue;
        }
        const auto& fetch = std::get<FetchOrder>(*order);
        const std::string& text = there.at(fetch.file);
        const std::string piece = text.substr(fetch.from);
        fetched += static_cast<int>(piece.size());
        QVERIFY(files
                    .take({{"file", fetch.file},
                           {"from", fetch.from},
                           {"bytes", text.size()},
                           {"data", encode_base64(std::as_bytes(std::span(piece)))}})
                    .ok());
      }
      QVERIFY(files.is_at_rest());
    };
    round(false);
    QCOMPARE(*read_file(here / "metrics.jsonl"), there["metrics.jsonl"]);
    QVERIFY(fs::exists(here / "run.json"));
    QVERIFY(!fs::exists(here / "adapter"));
    there["metrics.jsonl"] += "{\"a\":2}\n";
    fetched = 0;
    round(false);
    QCOMPARE(*read_file(here / "metrics.jsonl"), there["metrics.jsonl"]);
    QCOMPARE(fetched, 8 + 8 + 2);  // what was appended, behind what is compared; run.json anew
    there["metrics.jsonl"] = "{\"b\":1}\n";  // a resume has cut it
    round(false);
    QCOMPARE(*read_file(here / "metrics.jsonl"), there["metrics.jsonl"]);
    // Or has cut it, and it has grown beyond what is here, or as far, before anybody looked.
    for (const int lines : {500, 800, 800}) {
      std::string& text = there["metrics.jsonl"];
      const char other = text[2] == 'c' ? 'd' : 'c';
      text.clear();
      for (int i = 0; i < lines; ++i) text += std::string("{\"") + other + "\":1}\n";
      round(lines == 800);
      QCOMPARE(*read_file(here / "metrics.jsonl"), text);
    }
    fetched = 0;
    round(false);
    QCOMPARE(fetched, 2);
    round(true);
    QCOMPARE(*read_file(here / "adapter/adapter_model.safetensors"), std::string("abc"));
    QVERIFY(!fs::exists(here / "model"));
    QVERIFY(!fs::exists(root() / "outside.jsonl"));
    QVERIFY(!fs::exists("/etc/outside.jsonl"));
    // Answers of another kind, and to nothing that was asked.
    QVERIFY(files.take({{"file", 3}}).ok());
    files.start_round(false);
    QVERIFY(files.next());
    QVERIFY(!files.take({{"files", "none"}}).ok());
  }

  void a_mirror_keeps_no_result_of_an_earlier_run() {
    const fs::path here = root() / "again";
    const std::string name = "adapter/adapter_model.safetensors";
    const auto follow = [&](FollowedFiles& files, const std::string& text, const std::string& as) {
      Json list = Json::array();
      list.push_back(Json::object());  // no file; the others count
      list.push_back({{"name", name}, {"bytes", text.size()}});
      Status all;
      files.start_round(true);
      while (const auto order = files.next()) {
        Json said = Json::object();
        if (std::holds_alternative<FilesOrder>(*order)) {
          said["files"] = list;
        } else {
          said["file"] = as;
          said["bytes"] = text.size();
          said["data"] = encode_base64(std::as_bytes(std::span(text)));
        }
        if (const Status kept = files.take(said); !kept) all = kept;
      }
      return all;
    };
    FollowedFiles first(here), resumed(here), misled(here);
    QVERIFY(follow(first, "abc", name).ok());
    QCOMPARE(*read_file(here / name), std::string("abc"));
    QVERIFY(follow(resumed, "abd", name).ok());  // as large, and another one
    QCOMPARE(*read_file(here / name), std::string("abd"));
    QVERIFY(!follow(misled, "abe", "run.json").ok());  // and it ends
    QVERIFY(misled.is_at_rest());
    QCOMPARE(*read_file(here / name), std::string("abd"));
    QVERIFY(!fs::exists(here / "adapter/.adapter_model.safetensors.part"));
  }

  void two_windows_in_one_folder_are_told() {
    const fs::path here = root() / "shared";
    FollowedFiles files(here);
    Json list = Json::array();
    list.push_back({{"name", "metrics.jsonl"}, {"bytes", 4000}});
    fs::create_directories(here);
    append_text(here / "metrics.jsonl", std::string(3000, ' '));
    files.start_round(false);
    QVERIFY(files.next());
    QVERIFY(files.take({{"files", list}}).ok());
    const auto order = files.next();
    QVERIFY(order);
    QVERIFY(std::get<FetchOrder>(*order).from > 0);
    fs::resize_file(here / "metrics.jsonl", 0);
    Json said = Json::object();
    said["file"] = "metrics.jsonl";
    said["bytes"] = 8;
    said["data"] = "e30K";
    const Status kept = files.take(said);
    QVERIFY(!kept.ok());
    QVERIFY(QString::fromStdString(kept.error().sentence()).contains("Another window"));
    QVERIFY(!files.next());
    QVERIFY(files.is_at_rest());
  }
};

QTEST_GUILESS_MAIN(TestElsewhere)
#include "test_elsewhere.moc"
