// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/asked_log_probs.h"

#include "engine/ranks/shared_work.h"

namespace luthier {

Json AskedLogProbs::ask(Policy& policy, const MicroBatch& rows, SequenceOrder order) {
  const Batch batch = policy.batch(rows, order, BatchMaker::Pass::Evaluation);
  const LogProbs found = policy.reference_log_probs(batch);
  const std::vector<torch::Tensor> each =
      found.values.log_probs.to(torch::kCPU).split_with_sizes(found.counts);
  Json said = Json::array();
  for (std::size_t i = 0; i < each.size(); ++i) {
    const Batch::Sequence& place = batch.sequences[i];
    said.push_back(Json::array({rows.rows[place.row], place.number, tensor_json(each[i])}));
  }
  return said;
}

void AskedLogProbs::take(const Json& said, bool evaluation) {
  Rows& rows = evaluation ? evaluation_ : training_;
  for (const Json& each : said) {
    std::vector<torch::Tensor>& of_row = rows[each.at(0).get<std::int64_t>()];
    const auto number = each.at(1).get<std::size_t>();
    if (of_row.size() <= number) of_row.resize(number + 1);
    of_row[number] = tensor_of(each.at(2));
  }
}

LogProbs AskedLogProbs::of(const Batch& batch, bool evaluation) const {
  const Rows& rows = evaluation ? evaluation_ : training_;
  LogProbs result;
  std::vector<torch::Tensor> each;
  for (const Batch::Sequence& place : batch.sequences) {
    const std::int64_t row = batch.rows->rows[place.row];
    const auto found = rows.find(row);
    TORCH_CHECK(found != rows.end(), "row ", row + 1,
                " was broken when the reference was asked about all rows");
    each.push_back(found->second.at(place.number));
    result.counts.push_back(each.back().size(0));
  }
  result.values.log_probs = at::cat(each).to(batch.input.input_ids.device());
  return result;
}

}  // namespace luthier
