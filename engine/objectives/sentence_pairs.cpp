// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/sentence_pairs.h"

#include "engine/base/random_stream.h"
#include "engine/data/sentence_pair_rows.h"
#include "engine/data/text_pairs.h"

namespace luthier {

namespace {

constexpr double kChanged = 0.5;
constexpr std::uint64_t kPairDraws = 1;  // beside the row's other stream, which covers its tokens

}  // namespace

PairTask pair_task_from_name(const std::string& name) {
  return name == "next" ? PairTask::Next : name == "order" ? PairTask::Order : PairTask::None;
}

Status fits_pairs(const LoadedModel& base) {
  const std::string where = (base.folder / "config.json").string() + ": architectures";
  if (!pair_judge(*base.model)) {
    const char* known = pretraining_class(base.family->model_type);
    if (!known)
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " has no head that says whether two texts follow one another.",
                         "mlm.pairs", "Choose none, or a model such as bert or albert.");
    return input_error(
        "The checkpoint has no head that says whether two texts follow one another, "
        "as " +
            std::string(known) + " has.",
        where,
        "`luthier-cli head MODEL --of pairs --out DIR` gives it one, drawn where "
        "its files hold none.");
  }
  if (!base.processor->tokenizer().pair_pieces().empty()) return {};
  return input_error("The tokenizer does not say how two texts are read together.",
                     (base.folder / "tokenizer.json").string() + ": post_processor");
}

Status check_pair_beside_none(PairTask task, const EncodedRow& row) {
  if (task != PairTask::Next || !row.numbers.contains(kFirstText)) return {};
  return input_error(
      "The second text of half of the pairs is another row's of its micro-batch, "
      "and a micro-batch has one row.",
      "training.per_device_train_batch_size", "Raise it to two at least.");
}

Status make_pairs(PairTask task, const Tokenizer& tokenizer, bool alone, std::uint64_t seed,
                  MicroBatch& rows) {
  std::vector<std::size_t> drawn;
  std::vector<TextPair> pairs(rows.encoded.size());
  for (std::size_t i = 0; i < rows.encoded.size(); ++i) {
    const EncodedRow& row = rows.encoded[i];
    const auto first = row.numbers.find(kFirstText);
    if (first == row.numbers.end()) continue;  // given, with its label
    drawn.push_back(i);
    pairs[i] =
        taken_apart(tokenizer, row.sequences.front(), static_cast<std::size_t>(first->second));
  }
  if (alone && !drawn.empty()) LUTHIER_CHECK(check_pair_beside_none(task, rows.encoded[drawn[0]]));
  for (const std::size_t i : drawn) {
    EncodedRow& row = rows.encoded[i];
    RandomStream draws(seed, i, kPairDraws);
    TextPair pair = pairs[i];
    bool changed = draws.chance(kChanged);
    if (task == PairTask::Order) {
      if (changed) std::swap(pair.first, pair.second);
    } else if (changed) {
      std::vector<std::size_t> others;
      for (const std::size_t other : drawn)
        if (rows.rows.at(other) != rows.rows.at(i)) others.push_back(other);
      changed = !others.empty();
      if (changed)
        pair.second =
            pairs[others[static_cast<std::size_t>(draws.below(static_cast<int>(others.size())))]]
                .second;
    }
    cut_longer_text(pair, static_cast<std::size_t>(row.numbers.at(kPairRoom)), draws);
    row.sequences.front() = laid_out_pair(tokenizer, pair);
    row.targets = {changed ? 1.0 : 0.0};
  }
  return {};
}

torch::Tensor JudgedPairs::loss() const { return at::cross_entropy_loss(logits, labels); }

torch::Tensor JudgedPairs::accuracy() const {
  const torch::NoGradGuard no_grad;
  return logits.argmax(1).eq(labels).to(torch::kFloat32).mean();
}

JudgedPairs judged_pairs(const PairJudge& judge, const torch::Tensor& states, const Batch& batch) {
  std::vector<std::int64_t> rows, labels;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const EncodedRow& row = batch.rows->encoded[batch.sequences[i].row];
    TORCH_CHECK(row.targets.size() == 1, "nobody has made pairs of the rows");
    rows.push_back(static_cast<std::int64_t>(i));
    labels.push_back(static_cast<std::int64_t>(row.targets.front()));
  }
  const auto there = [&](const std::vector<std::int64_t>& numbers) {
    return torch::tensor(numbers, torch::kInt64).to(states.device());
  };
  const torch::Tensor all = judge.judge_pairs(states, row_layout(batch.input)).to(torch::kFloat32);
  return {all.index_select(0, there(rows)), there(labels)};
}

}  // namespace luthier
