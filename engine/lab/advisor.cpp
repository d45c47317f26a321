// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/advisor.h"

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"

namespace luthier {

namespace {

constexpr int kImpossible = -100;

// Bytes a weight: AdamW over all weights in mixed precision keeps weights, gradients, masters and
// two moments; an adapter keeps the base in 2 bytes, or packed in 4 bits with its scales, and a
// hundredth of it in the optimizer's 16. Activations come on top and are a recipe's (`plan` says
// them).
constexpr double kFullBytes = 16, kAdapterBytes = 2 + 0.01 * 16, kPackedBytes = 0.56 + 0.01 * 16;
constexpr double kForwardBytes = 2;

struct AdviceTable {
  const AdviceQuestion& question;
  std::vector<RankedApproach> ranked;

  explicit AdviceTable(const AdviceQuestion& asked) : question(asked) {
    for (int i = 0; i < kApproaches; ++i) ranked.push_back({static_cast<Approach>(i), 0, true, {}});
  }

  void say(Approach approach, int weight, const std::string& reason) {
    RankedApproach& row = ranked[static_cast<std::size_t>(approach)];
    row.reasons.push_back({weight, reason});
    if (weight == kImpossible)
      row.possible = false;
    else
      row.sum += weight;
  }
};

void by_rows(AdviceTable& table) {
  if (!table.question.rows) return;
  const std::int64_t rows = *table.question.rows;
  if (rows < 50) {
    table.say(Approach::Prompt, 3,
              "Few rows: they fit into the prompt as examples, which takes minutes to try.");
    table.say(Approach::Features, rows >= 10 ? 1 : -1,
              "A small head over fixed features learns from tens of rows; of fewer, nothing does "
              "reliably.");
    table.say(Approach::Adapter, -1,
              "An adapter learns a manner from tens of rows, and little else.");
    table.say(Approach::Full, -3,
              "All weights trained on few rows learn them by heart and forget the rest.");
  } else if (rows < 1000) {
    table.say(Approach::Prompt, 1,
              "Some of the rows serve as examples in the prompt: the score to beat.");
    table.say(Approach::Features, 2, "Hundreds of rows are enough for a head over fixed features.");
    table.say(Approach::Adapter, 2, "Hundreds of rows are what adapters are made for.");
    table.say(Approach::Full, -2,
              "All weights trained on hundreds of rows overfit within few epochs.");
  } else if (rows < 50'000) {
    table.say(Approach::Prompt, -1,
              "A prompt holds a few of the rows; the others would be unused.");
    table.say(Approach::Features, 1, "Fixed features learn on, but their score levels off sooner.");
    table.say(Approach::Adapter, 3,
              "Thousands of rows: an adapter comes close to training all weights.");
    table.say(Approach::Full, 1, "Thousands of rows can pay for training all weights.");
  } else {
    table.say(Approach::Prompt, -2,
              "A prompt holds a few of the rows; the others would be unused.");
    table.say(Approach::Adapter, 1,
              "An adapter may be too narrow for so many rows: compare ranks.");
    table.say(Approach::Full, 3,
              "So many rows can teach what the base does not know, and all weights take it up.");
  }
}

void by_task(AdviceTable& table) {
  const std::string& task = table.question.task;
  if (task == "facts") {
    table.say(Approach::Retrieve, 3,
              "Facts are found, not remembered: what is retrieved can be read, changed and named.");
    table.say(Approach::Adapter, -2,
              "An adapter learns how to say things; facts that it learns are few and cannot be "
              "looked up.");
    table.say(
        Approach::Full, -1,
        "Facts trained into weights take many rows each, and nobody can tell which are right.");
    table.say(Approach::Features, -2, "Fixed features write no answers.");
  } else if (task == "manner" || task == "format") {
    table.say(Approach::Prompt, 1, "A manner or a form can be asked for.");
    table.say(Approach::Adapter, 2, "A manner or a form is learned by an adapter of low rank.");
    table.say(Approach::Retrieve, -2, "Retrieval brings facts; a manner is not found in them.");
    table.say(Approach::Features, -2, "Fixed features write no answers.");
    table.say(Approach::Full, -1, "All weights are more than a manner needs.");
  } else if (task == "skill") {
    table.say(Approach::Adapter, 2,
              "A skill near what the base can do is learned by an adapter on all linear layers.");
    table.say(Approach::Full, 2, "A skill that is far from the base's takes all weights.");
    table.say(Approach::Prompt, -1, "What the base cannot do it does not do for being asked.");
    table.say(Approach::Retrieve, -2, "A skill is not found in passages.");
    table.say(Approach::Features, -2, "Fixed features write no answers.");
  } else if (task == "classes" || task == "search") {
    table.say(Approach::Features, 3,
              "Classes and similarity are read off fixed features: one forward a row, a head of a "
              "few thousand weights.");
    table.say(Approach::Adapter, 1,
              "Where the head levels off, the encoder learns on with an adapter or as a whole.");
    table.say(Approach::Full, 1,
              "Encoders of a hundred million weights are trained whole in hours: 2 to 4 epochs, "
              "batches of 16 to 32, 2e-5 to 5e-5.");
    if (task == "search")
      table.say(Approach::Retrieve, 2,
                "A search is retrieval: measure recall of a ready encoder first.");
  }
}

void by_drift(AdviceTable& table) {
  const std::string& drift = table.question.drift;
  if (drift == "daily" || drift == "monthly") {
    const int strong = drift == "daily" ? 3 : 2;
    table.say(Approach::Retrieve, strong,
              "What changes is put into an index anew, without training.");
    table.say(Approach::Prompt, 1, "A prompt is changed at once.");
    table.say(Approach::Adapter, drift == "daily" ? -2 : -1,
              "Each change needs another training, and an evaluation before it is used.");
    table.say(Approach::Full, -strong, "Each change needs another training of all weights.");
  } else if (drift == "yearly" || drift == "never") {
    table.say(Approach::Adapter, 1, "What hardly changes may be learned once.");
    table.say(Approach::Full, 1, "What hardly changes may be learned once.");
  }
}

void by_memory(AdviceTable& table) {
  const auto& question = table.question;
  if (!question.memory || !question.weights) return;
  const auto needs = [&](double bytes) { return bytes * *question.weights; };
  const auto words = [&](double bytes) {
    return size_text(needs(bytes)) + " of " + size_text(*question.memory);
  };
  if (needs(kFullBytes) > *question.memory)
    table.say(Approach::Full, kImpossible,
              "AdamW over all weights keeps 16 bytes a weight before activations: " +
                  words(kFullBytes) + ".");
  else
    table.say(Approach::Full, 1,
              "All weights, gradients and moments have room: " + words(kFullBytes) + ".");
  if (needs(kPackedBytes) > *question.memory)
    table.say(Approach::Adapter, kImpossible,
              "Not even a base packed in 4 bits has room: " + words(kPackedBytes) + ".");
  else if (needs(kAdapterBytes) > *question.memory)
    table.say(
        Approach::Adapter, 1,
        "Over a base packed in 4 bits an adapter has room: " + words(kPackedBytes) + " (QLoRA).");
  else
    table.say(
        Approach::Adapter, 1,
        "An adapter over the base in 2 bytes a weight has room: " + words(kAdapterBytes) + ".");
  if (needs(kForwardBytes) > *question.memory)
    table.say(Approach::Features, -1,
              "The base alone, in 2 bytes a weight, does not fit: " + words(kForwardBytes) + ".");
  else
    table.say(Approach::Features, 1,
              "Features need a forward alone: " + words(kForwardBytes) + ".");
}

void by_serving(AdviceTable& table) {
  const auto& question = table.question;
  if (question.latency && question.answer_latency && *question.answer_latency > *question.latency)
    table.say(Approach::Full, 1,
              "The model is too slow as it is: a smaller one that is tuned (or distilled) answers "
              "in time.");
  const bool tight =
      question.latency &&
      (*question.latency < 300 ||
       (question.answer_latency && *question.latency < 2 * *question.answer_latency));
  if (tight) {
    table.say(Approach::Prompt, -2, "Examples in the prompt are read with every request.");
    table.say(Approach::Retrieve, -2,
              "A search and the passages that it brings come before every answer.");
    table.say(Approach::Features, 2, "Features take one forward and no decoding.");
    table.say(Approach::Adapter, 1, "A merged adapter costs nothing at each answer.");
    table.say(Approach::Full, 1, "Tuned weights answer a short prompt.");
  }
  if (question.tasks && *question.tasks > 1) {
    table.say(Approach::Adapter, 2,
              "Several tasks share one base in memory, with an adapter each.");
    table.say(Approach::Full, -2, "Several tasks would be several whole models.");
  }
  if (question.sources) {
    table.say(Approach::Retrieve, 3, "An answer names the passage that it was written from.");
    for (const Approach trained : {Approach::Adapter, Approach::Full})
      table.say(trained, -2, "Trained weights cannot name their sources.");
  }
}

std::string or_word(const std::string& path, const char* word) {
  return path.empty() ? word : path;
}

void propose(const AdviceQuestion& question, Advice& advice) {
  const std::string model = or_word(question.model, "MODEL"),
                    recipe = or_word(question.recipe, "RECIPE"),
                    held_out = or_word(question.eval_rows, "HELD_OUT.jsonl");
  advice.comparisons.push_back(
      {"What the base answers when it is asked",
       "The score that any training has to beat; minutes, and nothing is trained.",
       {"luthier-cli compare " + model + " --samples " + held_out + " --out asked"}});
  std::string only;
  for (const std::string& method : advice.methods) only += (only.empty() ? "" : ",") + method;
  if (!only.empty())
    advice.comparisons.push_back({"Short runs of the methods on the same rows",
                                  "Twenty steps tell which learn at all, their memory and their "
                                  "speed; two hundred which wins.",
                                  {"luthier-cli methods " + model + " --run " + recipe +
                                   " --only " + only + " --steps 20"}});
  advice.comparisons.push_back(
      {"The score against rows",
       "A curve that still falls says that more rows are worth more than another method.",
       {"luthier-cli lab efficiency " + recipe + " --rows 16,64,256 --from base"}});
  if (question.task == "facts" || question.task == "search" || question.sources)
    advice.comparisons.push_back(
        {"With the passage in the prompt, and without it",
         "The most that retrieval can bring: put the right passage into each held-out question. "
         "(A search of its own is not built here.)",
         {"luthier-cli compare " + model + " --samples HELD_OUT_WITH_PASSAGES.jsonl --out found"}});
}

Status check_question(const AdviceQuestion& question) {
  const auto known = [](const std::string& word, const std::vector<std::string>& words,
                        const char* where) -> Status {
    if (word.empty() || std::find(words.begin(), words.end(), word) != words.end()) return {};
    std::string list;
    for (const std::string& each : words) list += (list.empty() ? "" : ", ") + each;
    return input_error("\"" + word + "\" is not known here.", where, "Write one of " + list + ".");
  };
  LUTHIER_CHECK(known(question.drift, drift_words(), "drift"));
  LUTHIER_CHECK(known(question.task, task_words(), "task"));
  for (const auto& [value, where] :
       {std::pair(question.weights, "weights"), std::pair(question.memory, "memory"),
        std::pair(question.latency, "latency"), std::pair(question.answer_latency, "latency")})
    if (value && (!std::isfinite(*value) || *value <= 0))
      return input_error("This is a number above 0.", where, "");
  if ((question.rows && *question.rows < 0) || (question.tasks && *question.tasks < 1))
    return input_error("Rows are counted from 0, tasks from 1.", "rows, tasks", "");
  return {};
}

}  // namespace

std::string approach_name(Approach approach) {
  switch (approach) {
    case Approach::Prompt: return "prompt";
    case Approach::Retrieve: return "retrieve";
    case Approach::Features: return "features";
    case Approach::Adapter: return "adapter";
    case Approach::Full: return "full";
  }
  return "";
}

const std::vector<std::string>& drift_words() {
  static const std::vector<std::string> words{"never", "yearly", "monthly", "daily"};
  return words;
}

const std::vector<std::string>& task_words() {
  static const std::vector<std::string> words{"facts", "manner",  "format",
                                              "skill", "classes", "search"};
  return words;
}

Result<Advice> advise(const AdviceQuestion& question) {
  LUTHIER_CHECK(check_question(question));
  AdviceTable table(question);
  by_rows(table);
  by_task(table);
  by_drift(table);
  by_memory(table);
  by_serving(table);
  Advice advice;
  advice.ranked = std::move(table.ranked);
  std::stable_sort(advice.ranked.begin(), advice.ranked.end(),
                   [](const RankedApproach& left, const RankedApproach& right) {
                     if (left.possible != right.possible) return left.possible;
                     return left.sum > right.sum;
                   });
  const auto possible = [&](Approach approach) {
    return std::any_of(advice.ranked.begin(), advice.ranked.end(), [&](const RankedApproach& row) {
      return row.approach == approach && row.possible;
    });
  };
  if (possible(Approach::Adapter)) advice.methods.insert(advice.methods.end(), {"lora", "ia3"});
  if (possible(Approach::Features)) advice.methods.push_back("freeze");
  if (possible(Approach::Full)) advice.methods.push_back("full");
  propose(question, advice);
  const std::pair<bool, const char*> facts[] = {
      {question.rows.has_value(), "rows: how many there are with answers"},
      {!question.task.empty(), "task: facts, manner, format, skill, classes or search"},
      {!question.drift.empty(), "drift: how often what is to be known changes"},
      {question.memory.has_value() && question.weights.has_value(),
       "memory and weights: whether training has room"},
      {question.latency.has_value(), "latency: how long an answer may take"}};
  for (const auto& [said, text] : facts)
    if (!said) advice.open.emplace_back(text);
  return advice;
}

Json to_json(const Advice& advice) {
  Json json{{"ranked", Json::array()},
            {"methods", advice.methods},
            {"comparisons", Json::array()},
            {"open", advice.open}};
  for (const RankedApproach& row : advice.ranked) {
    Json reasons = Json::array();
    for (const AdviceReason& reason : row.reasons)
      reasons.push_back({{"weight", reason.weight == kImpossible ? Json() : Json(reason.weight)},
                         {"text", reason.text}});
    json["ranked"].push_back({{"approach", approach_name(row.approach)},
                              {"sum", row.sum},
                              {"possible", row.possible},
                              {"reasons", std::move(reasons)}});
  }
  for (const AdviceComparison& each : advice.comparisons)
    json["comparisons"].push_back(
        {{"title", each.title}, {"why", each.why}, {"commands", each.commands}});
  return json;
}

}  // namespace luthier
