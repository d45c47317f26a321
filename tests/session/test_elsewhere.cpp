// SPDX-License-Identifier: GPL-3.0-or-later
// A run in a process of its own, as a session drives it: every control, lines that are cut, a
// session that goes and another that comes, a process that is killed. All end in the bytes of a run
// that nobody disturbed.
#include "tests/session/far_desk.h"

#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/protocol.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/runs/run_edits.h"
#include "engine/session/elsewhere/event_text.h"
#include "engine/session/elsewhere/far_run.h"

#include <poll.h>
#include <sys/socket.h>

using namespace luthier;
using namespace luthier::test;

namespace {

const std::vector<std::string> kLong{"training.max_steps=150", "training.save_steps=20"};

/// A program in the place of luthier-cli that says these lines and then nothing more.
fs::path false_serve(const fs::path& folder, const std::string& lines) {
  write_text(folder / "lines", lines);
  const fs::path program = folder / "false-serve";
  write_text(program, "#!/bin/sh\ncat '" + (folder / "lines").string() + "'\nsleep 1\n");
  fs::permissions(program, fs::perms::owner_all);
  return program;
}

std::string hello_line(const std::string& version, int protocol = 1) {
  ServeHello hello;
  hello.version = version;
  hello.protocol = protocol;
  return json_line(to_json(hello)) + "\n";
}

/// JSON that is written with ' in the place of ".
std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

}  // namespace

class TestElsewhere : public QObject {
  Q_OBJECT

  QTemporaryDir state_;
  std::unique_ptr<TinyRun> tiny_;
  fs::path root() const { return tiny_->root(); }

 private slots:
  void initTestCase() {
    set_far_environment(state_.path().toStdString());
    tiny_ = std::make_unique<TinyRun>(TinyModel{}, 40);
    QVERIFY(train_headless(tiny_->recipe("undisturbed", kLong), {}, {}, {}).ok());
  }

  void every_control_works_and_the_bytes_are_those_of_a_run_here() {
    Session session;
    std::vector<SessionEvent> events;
    const std::string run = session.launch_elsewhere({}, order_of(tiny_->recipe("by_hand", kLong)));
    QVERIFY(session.has_run());
    QCOMPARE(session.run_elsewhere()->run, run);
    QVERIFY(until(session, events, step_from(3)));
    QCOMPARE(hosts_of(run).size(), std::size_t(1));
    QVERIFY(all_of<RunStarted>(events).front().forecast.parts.total() > 0);
    session.pause();
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    const RequestId asked = session.answer({{far_question()}, {std::nullopt, "training"}, {4}});
    QVERIFY(until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == asked;
    }));
    QVERIFY(!all_of<RequestDone>(events).back().error);
    std::set<std::size_t> columns;
    for (const AnswerUpdate& each : all_of<AnswerUpdate>(events))
      if (each.final && each.request == asked && !each.tokens.empty()) columns.insert(each.column);
    QCOMPARE(columns.size(), std::size_t(2));
    session.edit_run("learning_rate", 7e-4);
    session.edit_run("max_grad_norm", -1);  // refused by name, before it is sent
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* failed = std::get_if<CommandFailed>(&event);
      return failed && failed->command == "set_max_grad_norm";
    }));
    session.resume();
    QVERIFY(until(session, events, step_from(30)));
    session.save_now();
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("finished"));
    WAIT_UNTIL(!session.has_run() && session.state() == SessionState::Empty);
    QCOMPARE(untold(events, root() / "by_hand"), QString());
    const auto edits = read_edits(root() / "by_hand/events.jsonl");
    QVERIFY(edits.ok());
    QVERIFY(train_headless(tiny_->recipe("by_file", kLong), {}, {}, {}, 0, *edits).ok());
    QCOMPARE(differences(root() / "by_hand", root() / "by_file"), QString());
    WAIT_UNTIL(hosts_of(run).empty() && own_relays().empty());
  }

  void a_cut_line_is_told_and_mended_and_nothing_is_missed() {
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere({}, order_of(tiny_->recipe("cut", kLong)));
    for (const std::int64_t step : {2, 40, 80}) {
      QVERIFY(until(session, events, step_from(step)));
      QVERIFY(kill_all(own_relays()));
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        const auto* line = std::get_if<LineChanged>(&event);
        return line && line->why;
      }));
      QVERIFY(!all_of<LineChanged>(events).back().why->sentence().empty());
      QVERIFY(until(session, events, [](const SessionEvent& event) {
        const auto* line = std::get_if<LineChanged>(&event);
        return line && !line->why;
      }));
    }
    if (all_of<RunEnded>(events).empty()) QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("finished"));
    QCOMPARE(all_of<RunStarted>(events).size(), std::size_t(1));
    QCOMPARE(untold(events, root() / "cut"), QString());
    QCOMPARE(differences(root() / "cut", root() / "undisturbed"), QString());
  }

  void a_command_while_the_line_is_cut_is_refused_by_a_sentence() {
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere({}, order_of(tiny_->recipe("refused", kLong)));
    QVERIFY(until(session, events, step_from(2)));
    qputenv("LUTHIER_CLI", "/nowhere/luthier-cli");  // no new line can be had
    QVERIFY(kill_all(own_relays()));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<LineChanged>(event);
    }));
    session.save_now();
    const RequestId asked = session.answer({{far_question()}, {"training"}, {4}});
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* failed = std::get_if<CommandFailed>(&event);
      return failed && failed->command == "save_now";
    }));
    WAIT_UNTIL([&] {
      for (SessionEvent& event : session.drain()) events.push_back(std::move(event));
      const auto done = all_of<RequestDone>(events);
      return !done.empty() && done.back().request == asked && done.back().error;
    }());
    qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(untold(events, root() / "refused"), QString());
    QCOMPARE(differences(root() / "refused", root() / "undisturbed"), QString());
  }

  void the_run_outlives_its_session_and_another_finds_it() {
    std::string run;
    {
      Session first;
      std::vector<SessionEvent> events;
      run = first.launch_elsewhere({}, order_of(tiny_->recipe("outlives", kLong)));
      QVERIFY(until(first, events, step_from(3)));
      first.pause();
      QVERIFY(until(first, events, [](const SessionEvent& event) {
        return is_state(event, SessionState::Paused);
      }));
    }
    QVERIFY(own_relays().empty());
    QCOMPARE(hosts_of(run).size(), std::size_t(1));
    const auto listed = list_posts();
    const auto found = std::find_if(listed.begin(), listed.end(),
                                    [&](const PostedRun& each) { return each.run == run; });
    QVERIFY(found != listed.end() && found->held);
    QCOMPARE(found->output, root() / "outlives");
    Session second, beside;
    std::vector<SessionEvent> events, seen;
    second.attach_run({}, run);
    beside.attach_run({}, run);  // two look at one run
    QVERIFY(until(second, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    second.resume();
    QVERIFY(until(beside, seen, step_from(5)));
    beside.leave_run();
    QVERIFY(until(beside, seen, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(seen).back().state, std::string("running"));
    WAIT_UNTIL(!beside.has_run());
    QVERIFY(until(second, events, is_end_of_run));
    QCOMPARE(untold(events, root() / "outlives"), QString());
    QCOMPARE(differences(root() / "outlives", root() / "undisturbed"), QString());
    // Its end is there to be looked at.
    Session third;
    std::vector<SessionEvent> later;
    WAIT_UNTIL(!third.has_run());
    third.attach_run({}, run);
    QVERIFY(until(third, later, is_end_of_run));
    QCOMPARE(untold(later, root() / "outlives"), QString());
  }

  void a_killed_process_is_told_and_its_run_goes_on_from_its_checkpoint() {
    Session session;
    std::vector<SessionEvent> events;
    const Recipe recipe = tiny_->recipe("killed", kLong);
    const std::string run = session.launch_elsewhere({}, order_of(recipe));
    QVERIFY(until(session, events, step_from(25)));
    const RequestId asked = session.answer({{far_question()}, {"training"}, {2000}});
    QVERIFY(kill_all(hosts_of(run)));
    QVERIFY(until(session, events, is_end_of_run));
    const RunEnded end = all_of<RunEnded>(events).back();
    QCOMPARE(end.state, std::string("interrupted"));
    QVERIFY(end.error->sentence().find("go on from step") != std::string::npos);
    QCOMPARE(all_of<RequestDone>(events).back().request, asked);  // no question waits for ever
    WAIT_UNTIL(!session.has_run());
    QCOMPARE(summarize_run(end.folder)->manifest.state, RunState::Interrupted);
    session.launch_elsewhere({}, order_of(recipe, end.folder));
    events.clear();
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("finished"));
    QCOMPARE(differences(root() / "killed", root() / "undisturbed"), QString());
  }

  void stopping_saves_and_stages_run_as_they_do_here() {
    Session session;
    std::vector<SessionEvent> events;
    const Recipe recipe = tiny_->recipe("stopped", {"training.max_steps=5000"});
    session.launch_elsewhere({}, order_of(recipe));
    QVERIFY(until(session, events, step_from(4)));
    session.stop(StopKind::Save);
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunEnded>(events).back().state, std::string("stopped"));
    QVERIFY(fs::exists(root() / "stopped/adapter/adapter_model.safetensors"));
    WAIT_UNTIL(!session.has_run());
    events.clear();
    StagedRecipe staged;
    staged.output_dir = (root() / "staged").string();
    for (const char* name : {"one", "two"}) {
      RecipeStage stage;
      stage.name = name;
      stage.recipe = tiny_->recipe("staged");
      stage.recipe.output_dir.clear();
      if (!staged.stages.empty()) stage.recipe.model.clear(), stage.recipe.init = Recipe().init;
      staged.stages.push_back(stage);
    }
    session.launch_elsewhere({}, {staged_recipe_to_yaml(staged)});
    QVERIFY(until(session, events, is_end_of_run));
    QVERIFY2(!all_of<RunEnded>(events).back().error,
             all_of<RunEnded>(events).back().error
                 ? all_of<RunEnded>(events).back().error->sentence().c_str()
                 : "");
    QCOMPARE(all_of<StageBegan>(events).size(), std::size_t(2));
  }

  void relative_paths_begin_at_the_folder_that_is_named() {
    Session session;
    std::vector<SessionEvent> events;
    Recipe recipe = tiny_->recipe("unused");
    recipe.output_dir = "within/run";
    recipe.dataset = {"rows.jsonl"};
    session.launch_elsewhere({"", root()}, order_of(recipe));
    QVERIFY(until(session, events, is_end_of_run));
    QCOMPARE(all_of<RunStarted>(events).front().folder, root() / "within/run");
    QCOMPARE(all_of<RunEnded>(events).back().folder, root() / "within/run");
    QVERIFY(fs::exists(root() / "within/run/adapter/adapter_model.safetensors"));
  }

  void what_cannot_run_there_is_a_sentence() {
    Session session;
    std::vector<SessionEvent> events;
    Recipe recipe = tiny_->recipe("nothing");
    recipe.model = (root() / "no-model").string();
    session.launch_elsewhere({}, order_of(recipe));
    QVERIFY(until(session, events, is_end_of_run));
    QVERIFY(all_of<RunEnded>(events).back().error->sentence().find("no-model") !=
            std::string::npos);
    WAIT_UNTIL(!session.has_run());
    events.clear();
    session.launch_elsewhere({"", root() / "no-folder"}, order_of(tiny_->recipe("nothing")));
    QVERIFY(until(session, events, is_end_of_run));
    QVERIFY(all_of<RunEnded>(events).back().error->sentence().find("no-folder") !=
            std::string::npos);
    WAIT_UNTIL(!session.has_run());
    events.clear();
    session.attach_run({}, "nobody-has-this");
    QVERIFY(until(session, events, is_end_of_run));
    QVERIFY(all_of<RunEnded>(events).back().error->sentence().find("no such run") !=
            std::string::npos);
    WAIT_UNTIL(!session.has_run());
    events.clear();
    session.launch_elsewhere({"-oProxyCommand=x", {}}, order_of(tiny_->recipe("nothing")));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      const auto* failed = std::get_if<CommandFailed>(&event);
      return failed && failed->command == "launch";
    }));
    QVERIFY(!session.has_run());
  }

  void no_name_of_a_machine_is_read_by_a_shell() {
    for (const char* fine : {"desk", "me@desk.example.org", "10.0.0.7", "fe80::1%eth0", "a-b_c"})
      QVERIFY2(check_host(fine).ok(), fine);
    for (const char* odd : {"", "-oProxyCommand=x", "me@-oProxyCommand=x", "a b", "a\nb"})
      QVERIFY2(!check_host(odd).ok(), odd);
    for (const char c : std::string("'`\"$\\;&<>|(){}*?!#~\x7f"))
      QVERIFY2(!check_host(std::string("desk") + c).ok(), std::string(1, c).c_str());
  }

  void a_foreign_or_hostile_serve_breaks_nothing_data() {
    QTest::addColumn<QByteArray>("lines");
    QTest::addColumn<QString>("said");
    const std::string mine = hello_line(luthier_version());
    QTest::newRow("another version")
        << QByteArray::fromStdString(hello_line("0.0.1")) << "0.0.1 there";
    QTest::newRow("another protocol")
        << QByteArray::fromStdString(hello_line(luthier_version(), 99)) << "needs the same";
    QTest::newRow("none at all") << QByteArray("Welcome!\nlast login yesterday\n") << "ended";
    QTest::newRow("an empty hello") << QByteArray("{\"hello\": \"luthier\"}\n") << "protocol";
    const std::string refused = error_line(input_error("It is forbidden."), "launch") + "\n";
    QTest::newRow("nonsense before a refusal")
        << QByteArray::fromStdString(mine + "[1]\n{\"event\": 7}\n\xff\xfe\n{\"n\": -1}\n" +
                                     "{\"attached\": {}}\n" +
                                     "{\"n\": 5, \"event\": \"run_started\", \"folder\": 1}\n" +
                                     "{\"n\": 6, \"event\": \"step\", \"line\": []}\n" +
                                     "{\"n\": 7, \"event\": \"answer\", \"request\": -3}\n" +
                                     "{\"n\": 8, \"event\": \"tomorrow\"}\n" +
                                     "{\"files\": 3}\n{\"file\": []}\n{\"error\": []}\n" + refused)
        << "forbidden";
  }
  void a_foreign_or_hostile_serve_breaks_nothing() {
    QFETCH(QByteArray, lines);
    QFETCH(QString, said);
    QTemporaryDir folder;
    qputenv("LUTHIER_CLI", false_serve(folder.path().toStdString(), lines.toStdString()).c_str());
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    QVERIFY(until(session, events, is_end_of_run));
    const auto end = all_of<RunEnded>(events).back();
    qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
    QVERIFY(end.error);
    QVERIFY2(QString::fromStdString(end.error->sentence()).contains(said),
             end.error->sentence().c_str());
  }

  void a_run_that_is_left_before_its_line_stands_is_told() {
    QTemporaryDir folder;
    qputenv("LUTHIER_CLI", false_serve(folder.path().toStdString(), "").c_str());
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    session.leave_run();
    QVERIFY(until(session, events, is_end_of_run));
    qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
    const auto end = all_of<RunEnded>(events).back();
    QVERIFY(end.error);
    QVERIFY2(end.error->sentence().find("left before") != std::string::npos,
             end.error->sentence().c_str());
    WAIT_UNTIL(!session.has_run());
  }

  void what_was_not_confirmed_is_lost_with_the_line() {
    QTemporaryDir folder;
    const std::string lines =
        hello_line(luthier_version()) +
        quoted(
            "{'attached': 'a-run-of-mine', 'running': true, 'output': '/nowhere'}\n"
            "{'n': 1, 'event': 'state', 'state': 'paused', 'detail': ''}\n");
    qputenv("LUTHIER_CLI", false_serve(folder.path().toStdString(), lines).c_str());
    Session session;
    std::vector<SessionEvent> events;
    session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    QVERIFY(until(session, events,
                  [](const SessionEvent& event) { return is_state(event, SessionState::Paused); }));
    session.save_now();
    const RequestId asked = session.answer({{far_question()}, {"training"}, {4}});
    WAIT_UNTIL([&] {
      for (SessionEvent& event : session.drain()) events.push_back(std::move(event));
      const auto failed = all_of<CommandFailed>(events);
      const auto done = all_of<RequestDone>(events);
      return !failed.empty() && failed.back().command == "save_now" && !done.empty() &&
             done.back().request == asked && done.back().error;
    }());
    QCOMPARE(all_of<RequestDone>(events).size(), std::size_t(1));
    qputenv("LUTHIER_CLI", LUTHIER_BINARY_DIR "/bin/luthier-cli");
  }

  void serve_answers_nonsense_and_lives() {
    auto child = TalkingChild::start({command_line_program().string(), "serve"});
    QVERIFY(child.ok());
    LineBuffer lines(kLongestSaying, "serve");
    const auto said = [&]() -> Json {
      for (const Patience patience; !patience.is_over();) {
        if (const auto line = lines.next()) return *parse_json(**line, "serve");
        pollfd waited{child->stream(), POLLIN, 0};
        if (::poll(&waited, 1, 1000) <= 0) continue;
        char piece[65536];
        const ssize_t got = ::recv(child->stream(), piece, sizeof piece, 0);
        if (got <= 0) return Json();
        lines.add({piece, static_cast<std::size_t>(got)});
      }
      return Json();
    };
    const auto say = [&](const std::string& line) {
      const std::string text = line + "\n";
      for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t put = ::send(child->stream(), text.data() + sent, text.size() - sent, 0);
        if (put <= 0) return;
        sent += static_cast<std::size_t>(put);
      }
    };
    QCOMPARE(hello_from_json(said(), "serve")->version, luthier_version());
    const std::vector<std::string> nonsense{
        "}{",
        std::string("\xff\x00\x01", 3),
        "[]",
        quoted("{'command': 7}"),
        quoted("{'command': 'pause'}"),
        quoted("{'command': 'files'}"),
        quoted("{'command': 'attach', 'run': '../../../etc'}"),
        quoted("{'command': 'attach', 'run': 'never-was-there'}"),
        quoted("{'command': 'launch', 'run': '12345678', 'recipe': 'model: ['}"),
        quoted("{'command': 'launch', 'run': '12345678', 'recipe': '', 'folder': '/nowhere'}"),
        std::string(3000, '['),
        std::string(kLongestCommand + 100, 'x')};
    for (const std::string& line : nonsense) {
      say(line);
      const Json answer = said();
      QVERIFY2(answer.contains("error"), line.substr(0, 80).c_str());
      QVERIFY(!answer["error"]["what"].get<std::string>().empty());
    }
    say(quoted("{'command': 'list'}"));
    QVERIFY(said().contains("runs"));
    QCOMPARE(child->finish(), 0);
  }

  void files_of_a_run_are_fetched_and_nothing_else() {
    const auto listed = list_posts();
    const auto run = std::find_if(listed.begin(), listed.end(), [&](const PostedRun& each) {
      return each.output == root() / "cut";
    });
    QVERIFY(run != listed.end());
    auto child = TalkingChild::start({command_line_program().string(), "serve"});
    QVERIFY(child.ok());
    std::string text = order_line(AttachOrder{run->run, 1'000'000}) + "\n" +
                       order_line(FilesOrder{}) + "\n" + order_line(FetchOrder{"run.json", 0}) +
                       "\n" + order_line(FetchOrder{"../undisturbed/run.json", 0}) + "\n" +
                       order_line(FetchOrder{"/etc/passwd", 0}) + "\n";
    QCOMPARE(::send(child->stream(), text.data(), text.size(), 0), ssize_t(text.size()));
    LineBuffer lines(kLongestSaying, "serve");
    std::vector<Json> said;
    for (const Patience patience; !patience.is_over() && said.size() < 6;) {
      char piece[65536];
      const ssize_t got = ::recv(child->stream(), piece, sizeof piece, 0);
      if (got <= 0) break;
      lines.add({piece, static_cast<std::size_t>(got)});
      while (const auto line = lines.next()) said.push_back(*parse_json(**line, "serve"));
    }
    QCOMPARE(said.size(), std::size_t(6));
    std::set<std::string> names;
    for (const Json& each : said[2]["files"]) names.insert(each["name"].get<std::string>());
    QVERIFY(names.contains("metrics.jsonl") && names.contains("run.json"));
    QVERIFY(names.contains("adapter/adapter_model.safetensors"));
    for (const std::string& name : names) QVERIFY(name.find("checkpoints") == std::string::npos);
    QCOMPARE(said[3]["file"].get<std::string>(), std::string("run.json"));
    QVERIFY(said[4].contains("error"));
    QVERIFY(said[5].contains("error"));
  }

  void events_are_read_back_as_they_were() {
    RunStarted started{};
    started.folder = "runs/one";
    started.recipe = tiny_->recipe("events");
    started.total_steps = 9;
    started.forecast.parts.weights = 7;
    started.forecast.parts.fragmentation = 3;
    started.forecast.available = -1;
    started.forecast.advice = {"less"};
    AnswerUpdate answer{};
    answer.text = "ab";
    answer.tokens = {{3, "a", -0.5, {{"b", 0.25}}, 0, 1}};
    StepDone step{};
    step.line.step = 4;
    step.line.loss = std::nan("");
    step.line.eval_loss = 0.5;
    step.line.figures["rewards/margins"] = 1.5;
    RunEnded end{"runs/one", "failed", machine_error("It broke.", "here", "Mend it."), 2.5};
    const std::vector<SessionEvent> all{StateChanged{SessionState::Paused, "x"},
                                        Progress{2, "rows", 1, 3},
                                        started,
                                        step,
                                        StageBegan{{"a", "b"}, 1, "runs/all", "adapter"},
                                        EvaluationDone{3, 0.25},
                                        RunEventHappened{{3, "2026", "checkpoint", "x"}},
                                        end,
                                        answer,
                                        RequestDone{5, input_error("No."), false},
                                        CommandFailed{"pause", input_error("No.")}};
    for (const SessionEvent& event : all) {
      const auto json = event_to_json(event);
      QVERIFY(json);
      const auto text = json_line(*json);
      const auto again = event_from_line(*parse_json(text, "test"), "test");
      QVERIFY2(again.ok() && *again, text.c_str());
      QCOMPARE(json_line(*event_to_json(**again)), text);
    }
    QVERIFY(!event_to_json(DeviceLost{"x"}));  // another process's card
  }
};

QTEST_GUILESS_MAIN(TestElsewhere)
#include "test_elsewhere.moc"
