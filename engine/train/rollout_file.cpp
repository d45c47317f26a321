// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/rollout_file.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/data/written_prompt.h"
#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

Result<std::string> rollout_lines(const Generation& generation, std::int64_t step,
                                  const Tokenizer& tokenizer) {
  std::string lines;
  for (std::size_t i = 0; i < generation.rows.encoded.size(); ++i) {
    const EncodedRow& row = generation.rows.encoded[i];
    Json line = {{"step", step}, {"row", generation.rows.rows[i]}};
    line["prompt"] = written_messages(row.written->conversation.messages);
    if (!row.written->conversation.tools.is_null()) line["tools"] = row.written->conversation.tools;
    for (const char* list : {"completion_ids", "completions"}) line[list] = Json::array();
    line["rewards"] = Json::object();
    for (const std::string& name : row.reward_names) line["rewards"][name] = Json::array();
    line["old_per_token_logps"] = Json::array();
    for (const RowSample& sample : row.samples) {
      line["completion_ids"].push_back(sample.ids);
      // A model may have more tokens than its tokenizer has texts for.
      std::vector<TokenId> written;
      std::copy_if(sample.ids.begin(), sample.ids.end(), std::back_inserter(written),
                   [&](TokenId id) { return id < tokenizer.vocab_size(); });
      LUTHIER_TRY(const std::string text, tokenizer.decode(written, /*skip_special=*/true));
      line["completions"].push_back(text);
      for (std::size_t j = 0; j < row.reward_names.size(); ++j) {
        const double reward = sample.rewards[j];
        line["rewards"][row.reward_names[j]].push_back(std::isnan(reward) ? Json() : Json(reward));
      }
      const bool known = !sample.old_log_probs.empty();
      line["old_per_token_logps"].push_back(known ? Json(sample.old_log_probs) : Json());
      if (!sample.old_values.empty()) line["old_values"].push_back(sample.old_values);
    }
    lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return lines;
}

Status append_rollouts(const fs::path& run, const std::string& lines) {
  if (lines.empty()) return {};
  return append_line(run / kRolloutsFile, std::string_view(lines).substr(0, lines.size() - 1));
}

Result<MicroBatch> read_rollouts(const fs::path& file, RowReader reader) {
  LUTHIER_TRY(reader.dataset, Dataset::open({file}));
  reader.kind = &rollout_rows();
  MicroBatch rows;
  for (std::size_t i = 0; i < reader.dataset->size(); ++i) {
    LUTHIER_TRY(EncodedRow row, reader.read(static_cast<std::int64_t>(i)));
    LUTHIER_TRY(const std::int64_t number,
                json_int(row.written->row, "row", reader.dataset->where(i)));
    rows.rows.push_back(number);
    rows.encoded.push_back(std::move(row));
    rows.cached.emplace_back();
  }
  return rows;
}

}  // namespace luthier
