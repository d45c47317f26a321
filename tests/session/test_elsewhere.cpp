// SPDX-License-Identifier: GPL-3.0-or-later
// A run in a process of its own, as a session drives it: every control, lines that are cut, a
// session that goes and another that comes, a process that is killed. All end in the bytes of a run
// that nobody disturbed. What happens in the midst of a run happens while it is held.
#include "tests/session/false_serve.h"
#include "tests/session/far_desk.h"

#include "engine/rewards/program_reward.h"
#include "engine/runs/elsewhere/run_post.h"
#include "engine/runs/run_edits.h"
#include "engine/session/elsewhere/far_run.h"

using namespace luthier;
using namespace luthier::test;

class TestElsewhere : public QObject {
  Q_OBJECT

  QTemporaryDir state_;
  std::unique_ptr<TinyRun> tiny_;
  fs::path root() const { return tiny_->root(); }
  HeldRun held(const std::string& run) const { return HeldRun(root() / (run + ".sh")); }
  /// A run in this process, which nobody holds.
  Status train_here(const std::string& run, const std::vector<RunEdit>& edits = {}) const {
    const HeldRun free = held(run);
    free.let_go();
    LUTHIER_TRY(const auto program, name_reward_program(free.program()));
    LUTHIER_TRY(const RunResult done,
                train_headless(tiny_->recipe(run, held_settings()), {}, {}, {}, 0, edits));
    if (done.state == RunState::Finished) return {};
    return machine_error("It ended otherwise.", run);
  }

 private slots:
  void initTestCase() {
    set_far_environment(state_.path().toStdString());
    qputenv("PATH", state_.path().toUtf8() + ":" + qgetenv("PATH"));  // where an ssh may lie
    tiny_ = std::make_unique<TinyRun>(TinyModel{}, 40);
    const Status trained = train_here("undisturbed");
    QVERIFY2(trained, trained ? "" : trained.error().sentence().c_str());
  }

  void every_control_works_and_the_bytes_are_those_of_a_run_here() {
    const HeldRun held = this->held("by_hand");
    Driven one;
    const std::string run =
        one.session.launch_elsewhere({}, order_of(tiny_->recipe("by_hand", held_settings()), held));
    QVERIFY(one.session.has_run());
    QVERIFY(one.session.run_elsewhere() && one.session.run_elsewhere()->run == run);
    const auto* started = one.next<RunStarted>();
    QVERIFY2(started && started->forecast.parts.total() > 0, one.said());
    held.let(2);
    SEES(one, next_step(2));
    QCOMPARE(hosts_of(run).size(), std::size_t(1));
    one.session.pause();
    SEES(one, next_state(SessionState::Pausing));
    held.let(3);
    SEES(one, next_state(SessionState::Paused));
    QCOMPARE(one.all<StepDone>().size(), std::size_t(3));
    const RequestId asked = one.session.answer({{far_question()}, {std::nullopt, "training"}, {4}});
    const auto* done = one.next_done(asked);
    QVERIFY2(done && !done->error && !done->cancelled, one.said());
    std::set<std::size_t> columns;
    for (const AnswerUpdate& each : one.all<AnswerUpdate>())
      if (each.final && each.request == asked && !each.tokens.empty()) columns.insert(each.column);
    QCOMPARE(columns.size(), std::size_t(2));
    one.session.edit_run("learning_rate", 7e-4);
    one.session.edit_run("max_grad_norm", -1);  // refused by name, before it is sent
    SEES(one, next_failed("set_max_grad_norm"));
    // Resumed while it saves: one is behind the other on the line.
    one.session.save_now();
    one.session.resume();
    held.let(6);
    SEES(one, next_step(6));
    one.session.save_now();
    held.let_go();
    SEES(one, ends_as("finished"));
    QVERIFY2(one.all<CommandFailed>().size() == 1, one.said());
    QCOMPARE(one.session.state(), SessionState::Empty);
    QCOMPARE(untold(one, root() / "by_hand"), QString());
    const auto edits = read_edits(root() / "by_hand/events.jsonl");
    QVERIFY(edits.ok());
    QCOMPARE(edits->size(), std::size_t(1));
    QVERIFY(train_here("by_file", *edits).ok());
    QCOMPARE(differences(root() / "by_hand", root() / "by_file"), QString());
    WAIT_UNTIL(hosts_of(run).empty() && own_relays().empty());
  }

  void a_cut_line_is_told_and_mended_and_nothing_is_missed() {
    const HeldRun held = this->held("cut");
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("cut", held_settings()), held));
    held.let(2);
    SEES(one, next_step(2));
    {
      const InPlaceOfCli nothing("/nowhere/luthier-cli");  // no new line can be had
      QVERIFY(kill_all(own_relays()));
      const auto* line = one.next_line(false);
      QVERIFY2(line && !line->why->sentence().empty(), one.said());
      // What is asked meanwhile is refused by a sentence.
      one.session.save_now();
      SEES(one, next_failed("save_now"));
      const RequestId asked = one.session.answer({{far_question()}, {"training"}, {4}});
      const auto* done = one.next_done(asked);
      QVERIFY2(done && done->error, one.said());
      held.let(6);  // the run does not wait for anybody
      WAIT_UNTIL(lines_written(root() / "cut") >= 6);
    }
    SEES(one, next_line(true));
    SEES(one, next_step(6));
    QVERIFY(kill_all(own_relays()));
    held.let(9);  // before the line is cut, or after: none is missed, none told twice
    SEES(one, next_line(false));
    SEES(one, next_line(true));
    held.let_go();
    SEES(one, ends_as("finished"));
    QCOMPARE(one.all<RunStarted>().size(), std::size_t(1));
    QCOMPARE(untold(one, root() / "cut"), QString());
    QCOMPARE(differences(root() / "cut", root() / "undisturbed"), QString());
  }

  void the_run_outlives_its_session_and_another_finds_it() {
    const HeldRun held = this->held("outlives");
    std::string run;
    {
      Driven first;
      run = first.session.launch_elsewhere(
          {}, order_of(tiny_->recipe("outlives", held_settings()), held));
      held.let(2);
      SEES(first, next_step(2));
      first.session.pause();
      SEES(first, next_state(SessionState::Pausing));
      held.let(3);
      SEES(first, next_state(SessionState::Paused));
    }
    QVERIFY(own_relays().empty());
    QCOMPARE(hosts_of(run).size(), std::size_t(1));
    const auto listed = list_posts();
    const auto found = std::find_if(listed.begin(), listed.end(),
                                    [&](const PostedRun& each) { return each.run == run; });
    QVERIFY(found != listed.end() && found->held);
    QCOMPARE(found->output, root() / "outlives");
    Driven second, beside;
    second.session.attach_run({}, run);
    beside.session.attach_run({}, run);  // two look at one run
    SEES(second, next_state(SessionState::Paused));
    second.session.resume();
    held.let(5);
    SEES(beside, next_step(5));
    beside.session.leave_run();
    SEES(beside, ends_as("running"));
    held.let_go();
    SEES(second, ends_as("finished"));
    QCOMPARE(untold(second, root() / "outlives"), QString());
    QCOMPARE(differences(root() / "outlives", root() / "undisturbed"), QString());
    // Its end is there to be looked at.
    Driven third;
    third.session.attach_run({}, run);
    SEES(third, ends_as("finished"));
    QCOMPARE(untold(third, root() / "outlives"), QString());
  }

  void a_killed_process_is_told_and_its_run_goes_on_from_its_checkpoint() {
    const HeldRun held = this->held("killed");
    Driven one;
    const Recipe recipe = tiny_->recipe("killed", held_settings());
    const std::string run = one.session.launch_elsewhere({}, order_of(recipe, held));
    held.let(6);
    SEES(one, next_step(6));
    // Within a step nothing is answered.
    const RequestId asked = one.session.answer({{far_question()}, {"training"}, {4}});
    QVERIFY(kill_all(hosts_of(run)));
    SEES(one, next_done(asked));  // no question waits for ever
    const auto* end = one.ends_as("interrupted");
    QVERIFY2(end && end->error, one.said());
    const QString sentence = QString::fromStdString(end->error->sentence());
    QVERIFY2(sentence.contains("go on from step 4"), qPrintable(sentence));
    const auto summary = summarize_run(end->folder);
    QVERIFY(summary && summary->manifest.state == RunState::Interrupted);
    held.let_go();
    one.forget();
    one.session.launch_elsewhere({}, order_of(recipe, held, summary->path));
    SEES(one, ends_as("finished"));
    QCOMPARE(differences(root() / "killed", root() / "undisturbed"), QString());
  }

  void stopping_saves_and_stages_run_as_they_do_here() {
    const HeldRun held = this->held("stopped");
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("stopped", held_settings()), held));
    held.let(2);
    SEES(one, next_step(2));
    one.session.stop(StopKind::Save);
    SEES(one, next_state(SessionState::Stopping));
    held.let_go();
    SEES(one, ends_as("stopped"));
    QVERIFY(lines_written(root() / "stopped") < 12);
    QCOMPARE(untold(one, root() / "stopped"), QString());
    QVERIFY(fs::exists(root() / "stopped/adapter/adapter_model.safetensors"));
    one.forget();
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
    one.session.launch_elsewhere({}, {staged_recipe_to_yaml(staged)});
    SEES(one, ends_as("finished"));
    QCOMPARE(one.all<StageBegan>().size(), std::size_t(2));
  }

  /// Said before there is a line, and before the process reads: it waits for both.
  void what_is_asked_at_once_is_not_lost() {
    const HeldRun held = this->held("at_once");
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("at_once", held_settings()), held));
    one.session.stop(StopKind::Discard);
    SEES(one, next_state(SessionState::Stopping));
    held.let_go();
    SEES(one, ends_as("stopped"));
    QVERIFY2(one.all<CommandFailed>().empty(), one.said());
  }

  void relative_paths_begin_at_the_folder_that_is_named() {
    Driven one;
    Recipe recipe = tiny_->recipe("unused");
    recipe.output_dir = "within/run";
    recipe.dataset = {"rows.jsonl"};
    one.session.launch_elsewhere({"", root()}, order_of(recipe));
    const auto* end = one.ends_as("finished");
    QVERIFY2(end && one.all<RunStarted>().size() == 1, one.said());
    QCOMPARE(one.all<RunStarted>().front().folder, root() / "within/run");
    QCOMPARE(end->folder, root() / "within/run");
    QVERIFY(fs::exists(root() / "within/run/adapter/adapter_model.safetensors"));
  }

  void what_cannot_run_there_is_a_sentence() {
    Driven one;
    const auto refusal = [&]() -> QString {
      const auto* end = one.ends_as("failed");
      const QString said = end && end->error ? QString::fromStdString(end->error->sentence())
                                             : QString::fromUtf8(one.said());
      one.forget();
      return said;
    };
    Recipe recipe = tiny_->recipe("nothing");
    recipe.model = (root() / "no-model").string();
    one.session.launch_elsewhere({}, order_of(recipe));
    const QString model = refusal();
    QVERIFY2(model.contains("no-model"), qPrintable(model));
    one.session.launch_elsewhere({"", root() / "no-folder"}, order_of(tiny_->recipe("nothing")));
    const QString folder = refusal();
    QVERIFY2(folder.contains("no-folder"), qPrintable(folder));
    one.session.attach_run({}, "nobody-has-this");
    const QString run = refusal();
    QVERIFY2(run.contains("no such run"), qPrintable(run));
    one.session.launch_elsewhere({"-oProxyCommand=x", {}}, order_of(tiny_->recipe("nothing")));
    SEES(one, next_failed("launch"));
    QVERIFY(!one.session.has_run());
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
    QTest::addColumn<int>("heard");  // lines until it ends by itself
    const std::string mine = hello_line(luthier_version());
    QTest::newRow("another version")
        << QByteArray::fromStdString(hello_line("0.0.1")) << "0.0.1 there" << -1;
    QTest::newRow("another protocol")
        << QByteArray::fromStdString(hello_line(luthier_version(), 99)) << "needs the same" << -1;
    QTest::newRow("none at all") << QByteArray("Welcome!\nlast login yesterday\n") << "ended" << 0;
    QTest::newRow("an empty hello") << QByteArray("{\"hello\": \"luthier\"}\n") << "protocol" << -1;
    const std::string refused = error_line(input_error("It is forbidden."), "launch") + "\n";
    QTest::newRow("nonsense before a refusal")
        << QByteArray::fromStdString(mine + "[1]\n{\"event\": 7}\n\xff\xfe\n{\"n\": -1}\n" +
                                     "{\"attached\": {}}\n" +
                                     "{\"n\": 5, \"event\": \"run_started\", \"folder\": 1}\n" +
                                     "{\"n\": 6, \"event\": \"step\", \"line\": []}\n" +
                                     "{\"n\": 7, \"event\": \"answer\", \"request\": -3}\n" +
                                     "{\"n\": 8, \"event\": \"tomorrow\"}\n" +
                                     "{\"files\": 3}\n{\"file\": []}\n{\"error\": []}\n" + refused)
        << "forbidden" << -1;
  }
  void a_foreign_or_hostile_serve_breaks_nothing() {
    QFETCH(QByteArray, lines);
    QFETCH(QString, said);
    QFETCH(int, heard);
    QTemporaryDir folder;
    const InPlaceOfCli foreign(
        false_serve(folder.path().toStdString(), lines.toStdString(), heard));
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    const auto* end = one.ends_as("failed");
    QVERIFY2(end && end->error, one.said());
    QVERIFY2(QString::fromStdString(end->error->sentence()).contains(said),
             end->error->sentence().c_str());
  }

  void a_run_that_is_left_before_its_line_stands_is_told() {
    QTemporaryDir folder;
    const InPlaceOfCli silent(false_serve(folder.path().toStdString(), ""));
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    one.session.leave_run();
    const auto* end = one.ends_as("failed");
    QVERIFY2(end && end->error, one.said());
    QVERIFY2(end->error->sentence().find("left before") != std::string::npos,
             end->error->sentence().c_str());
  }

  void what_was_not_confirmed_is_lost_with_the_line() {
    QTemporaryDir folder;
    const std::string lines =
        hello_line(luthier_version()) +
        quoted(
            "{'attached': 'a-run-of-mine', 'running': true, 'output': '/nowhere'}\n"
            "{'n': 1, 'event': 'state', 'state': 'paused', 'detail': ''}\n");
    // It ends once it has heard of the launch and of both that is asked then.
    const InPlaceOfCli ending(false_serve(folder.path().toStdString(), lines, 3));
    Driven one;
    one.session.launch_elsewhere({}, order_of(tiny_->recipe("nothing")));
    SEES(one, next_state(SessionState::Paused));
    one.session.save_now();
    const RequestId asked = one.session.answer({{far_question()}, {"training"}, {4}});
    SEES(one, next_line(false));
    const auto* failed = one.next_failed("save_now");
    QVERIFY2(failed && failed->error.sentence().find("confirmed") != std::string::npos, one.said());
    const auto* done = one.next_done(asked);
    QVERIFY2(done && done->error, one.said());
    QCOMPARE(one.all<RequestDone>().size(), std::size_t(1));
  }

  void a_file_that_is_refused_at_the_end_is_told() {
    write_refusing_ssh(state_.path().toStdString() + "/ssh", hello_line(luthier_version()));
    Driven one;
    one.session.launch_elsewhere({"far", root(), root() / "mirror-refused"},
                                 order_of(tiny_->recipe("nothing")));
    const auto* failed = one.next_failed("fetch");
    QVERIFY2(failed && failed->error.sentence().find("forbidden") != std::string::npos, one.said());
    SEES(one, ends_as("finished"));
    QCOMPARE(one.all<CommandFailed>().size(), std::size_t(1));
  }

  /// A run that goes on in a process of another version.
  void who_attaches_to_an_older_process_is_told() {
    QTemporaryDir folder;
    const std::string lines =
        hello_line(luthier_version()) +
        quoted(
            "{'attached': 'a-run-of-mine', 'running': true, 'output': '/nowhere'}\n"
            "{'n': 1, 'event': 'begun', 'version': '0.0.1', 'process': 1}\n"
            "{'n': 2, 'event': 'state', 'state': 'paused', 'detail': ''}\n");
    const InPlaceOfCli older(false_serve(folder.path().toStdString(), lines));
    Driven one;
    one.session.attach_run({}, "a-run-of-mine");
    const auto* told = one.next_failed("attach");
    QVERIFY2(told && told->error.sentence().find("0.0.1") != std::string::npos, one.said());
    SEES(one, next_state(SessionState::Paused));
  }

  void serve_answers_nonsense_and_lives() {
    auto child = TalkingChild::start({command_line_program().string(), "serve"});
    QVERIFY(child.ok());
    Talk talk(child->stream());
    const auto hello = hello_from_json(talk.hears(), "serve");
    QVERIFY2(hello.ok(), hello ? "" : hello.error().sentence().c_str());
    QCOMPARE(hello->version, luthier_version());
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
      QVERIFY2(talk.says(line), line.substr(0, 80).c_str());
      const Json answer = talk.hears();
      QVERIFY2(answer.is_object() && answer.contains("error"), line.substr(0, 80).c_str());
      QVERIFY(!error_from_json(answer["error"]).what.empty());
    }
    QVERIFY(talk.says(quoted("{'command': 'list'}")));
    const Json list = talk.hears();
    QVERIFY2(list.is_object() && list.contains("runs"), list.dump().c_str());
    QVERIFY(talk.ends());
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
    Talk talk(child->stream());
    for (const ServeOrder& order : std::vector<ServeOrder>{
             AttachOrder{run->run, 1'000'000}, FilesOrder{}, FetchOrder{"run.json", 0},
             FetchOrder{"../undisturbed/run.json", 0}, FetchOrder{"/etc/passwd", 0}})
      QVERIFY(talk.says(order_line(order)));
    std::vector<Json> said;
    for (int i = 0; i < 6; ++i) {
      said.push_back(talk.hears());
      QVERIFY2(said.back().is_object(), std::to_string(i).c_str());
    }
    QVERIFY2(said[2].contains("files"), said[2].dump().c_str());
    std::set<std::string> names;
    for (const Json& each : said[2]["files"]) names.insert(each.value("name", std::string()));
    QVERIFY(names.contains("metrics.jsonl") && names.contains("run.json"));
    QVERIFY(names.contains("adapter/adapter_model.safetensors"));
    for (const std::string& name : names) QVERIFY(name.find("checkpoints") == std::string::npos);
    QCOMPARE(said[3].value("file", std::string()), std::string("run.json"));
    QVERIFY2(said[4].contains("error"), said[4].dump().c_str());
    QVERIFY2(said[5].contains("error"), said[5].dump().c_str());
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
      const auto parsed = parse_json(text, "test");
      QVERIFY2(parsed.ok(), text.c_str());
      const auto again = event_from_line(*parsed, "test");
      QVERIFY2(again.ok() && *again, text.c_str());
      const auto json_again = event_to_json(**again);
      QVERIFY2(json_again, text.c_str());
      QCOMPARE(json_line(*json_again), text);
    }
    QVERIFY(!event_to_json(DeviceLost{"x"}));  // another process's card
  }
};

QTEST_GUILESS_MAIN(TestElsewhere)
#include "test_elsewhere.moc"
