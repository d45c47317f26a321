// SPDX-License-Identifier: GPL-3.0-or-later
// Merging through the session: answers of a combination made in memory, its proof, a newer request
// in the place of an older one, a merge that stands in the base and is undone, what is refused, and
// ranks.
#include <QtTest>

#include "engine/methods/arithmetic/ranks.h"
#include "engine/session/headless.h"
#include "tests/session/drained.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

template <class Event>
const Event* of_request(const std::vector<SessionEvent>& events, RequestId request) {
  for (const SessionEvent& event : events) {
    const auto* found = std::get_if<Event>(&event);
    if (found && found->request == request) return found;
  }
  return nullptr;
}

template <class Event>
bool has(const std::vector<SessionEvent>& events) {
  return std::any_of(events.begin(), events.end(), [](const SessionEvent& event) {
    return std::holds_alternative<Event>(event);
  });
}

const RequestDone* wait_done(Session& session, std::vector<SessionEvent>& events,
                             RequestId request) {
  if (!of_request<RequestDone>(events, request))
    until(session, events, [&](const SessionEvent& event) {
      const auto* done = std::get_if<RequestDone>(&event);
      return done && done->request == request;
    });
  return of_request<RequestDone>(events, request);
}

Sample question(int number) {
  Sample sample;
  sample.conversation.messages = {
      {"user",
       {{ContentPart::Kind::Text, "What is in picture " + std::to_string(number) + "?", ""}}}};
  sample.where = "test";
  return sample;
}

AnswerRequest three_questions() {
  AnswerRequest asked;
  asked.samples = {question(1), question(2), question(3)};
  asked.options.max_new_tokens = 12;
  asked.options.ignore_eos = true;
  return asked;
}

/// Text and the probabilities of its tokens: two columns answer alike only where they compute
/// alike.
struct Answered {
  std::vector<std::string> texts;
  std::vector<double> logprobs;
};

Answered answers_of(const std::vector<SessionEvent>& events, RequestId request) {
  Answered found;
  found.texts.resize(3);
  std::vector<std::vector<double>> by_sample(3);
  for (const SessionEvent& event : events) {
    const auto* update = std::get_if<AnswerUpdate>(&event);
    if (!update || update->request != request || !update->final) continue;
    found.texts[update->sample] = update->text;
    for (const AnswerToken& token : update->tokens)
      by_sample[update->sample].push_back(token.logprob);
  }
  for (const auto& sample : by_sample)
    found.logprobs.insert(found.logprobs.end(), sample.begin(), sample.end());
  return found;
}

double apart(const Answered& a, const Answered& b) {
  if (a.logprobs.empty() || a.logprobs.size() != b.logprobs.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < a.logprobs.size(); ++i)
    most = std::max(most, std::abs(a.logprobs[i] - b.logprobs[i]));
  return most;
}

}  // namespace

class TestMerging : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  fs::path base_;

  fs::path run(const char* name) const { return tiny_.root() / name; }
  MergeRecipe merge(std::vector<fs::path> folders, std::vector<double> weights,
                    const std::string& type) const {
    MergeRecipe recipe;
    recipe.folders = std::move(folders);
    recipe.how.weights = std::move(weights);
    recipe.how.combination_type = type;
    return recipe;
  }
  bool load(Session& session, std::vector<SessionEvent>& events) const {
    session.load_model(base_, "cpu", "float32");
    return until(session, events,
                 [](const SessionEvent& event) { return is_state(event, SessionState::Ready); });
  }
  Answered ask(Session& session, std::vector<SessionEvent>& events,
               std::optional<std::string> column) const {
    AnswerRequest asked = three_questions();
    asked.columns = {std::move(column)};
    const RequestId request = session.answer(asked);
    wait_done(session, events, request);
    return answers_of(events, request);
  }

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = run("start") / "model";
    const auto train = [&](const char* name, std::vector<std::string> settings) {
      settings.insert(settings.end(), {"model=" + base_.string(), "init=pretrained",
                                       "training.learning_rate=0.02", "training.save_steps=0"});
      return train_headless(tiny_.recipe(name, settings), {}, {}, {}).ok();
    };
    QVERIFY(train("one", {"training.seed=1"}));
    QVERIFY(train("two", {"training.seed=2", "training.max_steps=5"}));
    QVERIFY(train("wide", {"adapter.r=8"}));
    QVERIFY(train("ia3", {"strategy=ia3"}));
  }

  void one_adapter_is_taken_as_it_is() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    session.attach_adapter("one", run("one"));
    const Answered beside = ask(session, events, "one"), base = ask(session, events, {});
    const RequestId request =
        session.answer_merged(merge({run("one")}, {1}, "linear"), three_questions());
    QVERIFY(!wait_done(session, events, request)->error);
    const Answered merged = answers_of(events, request);
    QCOMPARE(merged.texts, beside.texts);
    QVERIFY(apart(merged, beside) < 1e-5);
    QVERIFY(apart(merged, base) > 1e-2);
    const auto* proof = of_request<MergeProved>(events, request);
    QVERIFY(proof && !proof->refused && proof->difference <= proof->limit);
    QVERIFY(proof->difference > 0);  // something was merged
  }

  void a_combination_in_memory_is_the_weighted_sum() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    session.attach_adapter("two", run("two"));
    const Answered two = ask(session, events, "two"), base = ask(session, events, {});
    const auto merged = [&](std::vector<double> weights) {
      const RequestId request = session.answer_merged(
          merge({run("one"), run("two")}, std::move(weights), "cat"), three_questions());
      wait_done(session, events, request);
      const auto* made = of_request<MergeMade>(events, request);
      const bool ranks_add_up = made && made->rank == 8;
      return ranks_add_up ? answers_of(events, request) : Answered();
    };
    QVERIFY(apart(merged({0, 1}), two) < 1e-5);
    QVERIFY(apart(merged({0, 0}), base) < 1e-5);
    QVERIFY(apart(merged({1, 1}), two) > 1e-2);
    // Nothing of it stays on the base.
    QVERIFY(apart(ask(session, events, {}), base) == 0);
  }

  void a_newer_request_takes_the_place_of_older_ones() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    std::vector<RequestId> requests;
    AnswerRequest asked = three_questions();
    asked.options.max_new_tokens = 200;
    for (int i = 0; i < 5; ++i)
      requests.push_back(
          session.answer_merged(merge({run("one"), run("two")}, {0.2 * i, 1}, "cat"), asked));
    for (const RequestId request : requests) QVERIFY(wait_done(session, events, request));
    QVERIFY(!of_request<RequestDone>(events, requests.back())->cancelled);
    QVERIFY(!of_request<RequestDone>(events, requests.back())->error);
    // Those between the first, which may have begun, and the last never did.
    for (std::size_t i = 1; i + 1 < requests.size(); ++i) {
      QVERIFY(of_request<RequestDone>(events, requests[i])->cancelled);
      QVERIFY(!of_request<MergeProved>(events, requests[i]));
    }
  }

  void a_merge_stands_in_the_base_until_it_is_undone() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    const Answered before = ask(session, events, {});
    const MergeRecipe recipe = merge({run("one"), run("two")}, {1, 0.5}, "svd");
    const RequestId shown = session.answer_merged(recipe, three_questions());
    QVERIFY(wait_done(session, events, shown));
    const RequestId merged = session.merge_into_base(recipe);
    const auto* done = wait_done(session, events, merged);
    QVERIFY2(done && !done->error, done && done->error ? done->error->sentence().c_str() : "");
    const auto* stands = of_request<BaseMerged>(events, merged);
    QVERIFY(stands && stands->difference <= stands->limit && stands->kept_bytes > 0);
    QCOMPARE(stands->recipe.how.weights, recipe.how.weights);
    const Answered now = ask(session, events, {});
    QCOMPARE(now.texts, answers_of(events, shown).texts);
    QVERIFY(apart(now, answers_of(events, shown)) < 1e-3);
    QVERIFY(apart(now, before) > 1e-2);
    // What goes by the base's own weights is refused meanwhile, and changes nothing.
    const RequestId again = session.answer_merged(recipe, three_questions());
    QVERIFY(wait_done(session, events, again)->error);
    session.attach_adapter("two", run("two"));
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<CommandFailed>(event);
    }));
    QCOMPARE(apart(ask(session, events, {}), now), 0.0);
    session.undo_merge();
    const Answered after = ask(session, events, {});
    QVERIFY(has<MergeUndone>(events));
    QCOMPARE(after.logprobs, before.logprobs);
  }

  void a_launch_trains_the_base_without_the_merge() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    const RequestId merged = session.merge_into_base(merge({run("one")}, {1}, "linear"));
    QVERIFY(!wait_done(session, events, merged)->error);
    const std::vector<std::string> settings{"model=" + base_.string(), "init=pretrained",
                                            "training.dtype=float32", "training.max_steps=2",
                                            "training.save_steps=0"};
    QVERIFY(train_headless(tiny_.recipe("alone", settings), {}, {}, {}).ok());
    session.launch(tiny_.recipe("after", settings));
    QVERIFY(session.has_run());
    QVERIFY(until(session, events, [](const SessionEvent& event) {
      return std::holds_alternative<RunEnded>(event);
    }));
    QVERIFY(has<MergeUndone>(events));
    QCOMPARE(differences(run("alone"), run("after")), QString());
    for (const Patience patience; session.has_run() && !patience.is_over();) session.wait(0.05);
    QVERIFY(!session.has_run());
  }

  void what_is_refused_changes_nothing() {
    Session session;
    std::vector<SessionEvent> events;
    const RequestId early = session.merge_into_base(merge({run("one")}, {1}, "linear"));
    QVERIFY(wait_done(session, events, early)->error);  // no model
    QVERIFY(load(session, events));
    const Answered before = ask(session, events, {});
    const auto refused = [&](const MergeRecipe& recipe) -> std::string {
      const RequestId asked = session.answer_merged(recipe, three_questions());
      const RequestId into = session.merge_into_base(recipe);
      const auto first = wait_done(session, events, asked)->error;
      const auto second = wait_done(session, events, into)->error;
      if (!first || !second || of_request<BaseMerged>(events, into)) return {};
      return first->sentence();
    };
    QVERIFY(refused(merge({run("one"), run("wide")}, {1, 1}, "linear")).find("rank") !=
            std::string::npos);
    QVERIFY(refused(merge({run("one"), run("ia3")}, {1, 1}, "linear")).find("method") !=
            std::string::npos);
    QVERIFY(refused(merge({base_}, {1}, "linear")).find("whole checkpoint") != std::string::npos);
    QVERIFY(!refused(merge({}, {}, "linear")).empty());
    QVERIFY(!refused(merge({run("one"), run("two")}, {1, 1}, "ties")).empty());  // no density
    // Another base: the same names with other sizes.
    TinyModel larger;
    larger.hidden = 96;
    TinyRun other(larger);
    QVERIFY(train_headless(other.recipe("foreign", {"training.max_steps=1"}), {}, {}, {}).ok());
    QVERIFY(!refused(merge({other.root() / "foreign"}, {1}, "linear")).empty());
    QVERIFY(!refused(merge({other.root() / "foreign"}, {0.5}, "linear")).empty());
    QVERIFY(apart(ask(session, events, {}), before) == 0);
  }

  void folders_are_written_whole_or_not_at_all() {
    Session session;
    std::vector<SessionEvent> events;
    QVERIFY(load(session, events));
    const MergeRecipe recipe = merge({run("one"), run("two")}, {1, 0.5}, "cat");
    const RequestId saved = session.save_combined(recipe, run("sum"));
    QVERIFY(!wait_done(session, events, saved)->error);
    const auto* written = of_request<MergeWritten>(events, saved);
    QVERIFY(written && written->folder == run("sum") && written->rank == 8 && !written->checkpoint);
    session.attach_adapter("sum", run("sum"));
    const RequestId shown = session.answer_merged(recipe, three_questions());
    QVERIFY(!wait_done(session, events, shown)->error);
    QVERIFY(apart(ask(session, events, "sum"), answers_of(events, shown)) < 1e-5);
    const std::string before = *sha256_file(run("sum") / "adapter_model.safetensors");
    const RequestId again = session.save_combined(merge({run("one")}, {1}, "linear"), run("sum"));
    QVERIFY(wait_done(session, events, again)->error);
    QCOMPARE(*sha256_file(run("sum") / "adapter_model.safetensors"), before);

    const RequestId model = session.write_merged(recipe, run("merged"));
    QVERIFY(!wait_done(session, events, model)->error);
    const auto* checkpoint = of_request<MergeWritten>(events, model);
    QVERIFY(checkpoint && checkpoint->checkpoint && !checkpoint->sentence.empty());
    QVERIFY(fs::exists(run("merged") / "config.json"));
    session.attach_adapter("merged", run("merged"));
    QCOMPARE(ask(session, events, "merged").texts, answers_of(events, shown).texts);
  }

  void ranks_come_as_the_folder_has_them() {
    Session session;
    std::vector<SessionEvent> events;
    const RequestId request = session.find_ranks(run("wide"));  // no model is needed
    QVERIFY(!wait_done(session, events, request)->error);
    const auto* found = of_request<RanksFound>(events, request);
    const auto wanted = adapter_ranks(run("wide") / "adapter");
    QVERIFY(found && wanted.ok());
    QCOMPARE(found->folder, run("wide") / "adapter");
    QCOMPARE(found->ranks.modules.size(), wanted->modules.size());
    QCOMPARE(found->ranks.modules.front().values, wanted->modules.front().values);
    QCOMPARE(found->ranks.modules.front().rank, std::int64_t(8));
    const RequestId none = session.find_ranks(run("ia3"));
    QVERIFY(wait_done(session, events, none)->error);
  }
};

QTEST_GUILESS_MAIN(TestMerging)
#include "test_merging.moc"
