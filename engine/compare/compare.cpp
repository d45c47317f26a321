// SPDX-License-Identifier: GPL-3.0-or-later
// Column after column over the same encoded prompts; an adapter is attached, used and taken off without a copy of the base.
#include <algorithm>
#include <set>

#include "engine/adapters/adapter.h"
#include "engine/compare/comparison.h"
#include "engine/compare/scores.h"
#include "engine/data/dataset.h"
#include "engine/generate/generate.h"
#include "engine/models/vlm.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t prompts_at_once = 128;   // bounds the pixels in memory

std::string text_of(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::Text) text += part.text;
  }
  return text;
}

Status answer_column(const LoadedModel& base, std::size_t column, Comparison& comparison, std::size_t& done,
                     const std::function<bool(std::size_t, std::size_t)>& progress) {
  const std::size_t total = comparison.rows.size() * comparison.columns.size();
  for (std::size_t begin = 0; begin < comparison.rows.size(); begin += prompts_at_once) {
    const std::size_t end = std::min(comparison.rows.size(), begin + prompts_at_once);
    std::vector<Example> prompts;
    for (std::size_t row = begin; row < end; ++row) {
      const ComparisonSample& sample = comparison.rows[row].sample;
      LUTHIER_TRY(Example prompt, base.processor->encode_prompt(sample.conversation, sample.where));
      prompts.push_back(std::move(prompt));
    }
    bool cancelled = false;
    GenerationProgress watch;
    if (progress) {
      watch = [&](std::size_t, const Generated& so_far) {
        if (!so_far.finish.empty()) ++done;
        cancelled = !progress(done, total);
        return !cancelled;
      };
    }
    LUTHIER_TRY(std::vector<Generated> answers, generate(base, prompts, comparison.options, watch));
    if (cancelled) return interrupted_error("The comparison was cancelled.");
    for (std::size_t row = begin; row < end; ++row) {
      Generated& answer = answers[row - begin];
      ComparisonAnswer& cell = comparison.rows[row].answers[column];
      cell.text = std::move(answer.text);
      cell.tokens = std::move(answer.tokens);
      cell.seconds = answer.seconds;
      cell.finish = std::move(answer.finish);
      if (const auto expected = comparison.rows[row].sample.expected()) cell.scores = score_answer(cell.text, *expected);
    }
  }
  return {};
}

}  // namespace

std::optional<std::string> ComparisonSample::expected() const {
  if (conversation.messages.empty() || conversation.messages.back().role != "assistant") return {};
  return text_of(conversation.messages.back());
}

Result<Comparison> compare_adapters(LoadedModel& base, const std::vector<std::pair<std::string, fs::path>>& adapters,
                                    const std::vector<ComparisonSample>& samples, const GenerationOptions& options,
                                    const std::function<bool(std::size_t, std::size_t)>& progress) {
  if (samples.empty()) return input_error("There is no sample to answer.", "samples");
  Comparison comparison;
  comparison.model = base.folder;
  comparison.options = options;
  std::uint64_t bytes = 0;
  for (const torch::Tensor& tensor : base.model->parameters()) bytes += tensor.nbytes();
  comparison.columns.push_back({"base", "", bytes});
  std::set<std::string> names{"base"};
  std::vector<std::shared_ptr<Adapter>> attached;   // all of them first: one that does not fit is found before anything is computed
  for (const auto& [name, folder] : adapters) {
    if (!names.insert(name).second) return input_error("The name " + name + " stands for two columns.", "--adapter", "Give each adapter a name of its own.");
    LUTHIER_TRY(std::shared_ptr<Adapter> adapter, load_adapter(base, folder));
    adapter->set_training(false, 0);
    attached.push_back(std::move(adapter));
    std::error_code problem;
    const std::uintmax_t size = fs::file_size(folder / "adapter_model.safetensors", problem);
    comparison.columns.push_back({name, folder.string(), problem ? 0 : size});
  }
  for (const ComparisonSample& sample : samples) comparison.rows.push_back({sample, std::vector<ComparisonAnswer>(comparison.columns.size())});

  std::size_t done = 0;
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    if (column > 0) attached[column - 1]->activate();
    const Status status = answer_column(base, column, comparison, done, progress);
    if (column > 0) attached[column - 1]->deactivate();
    LUTHIER_CHECK(status);
  }
  comparison.scores.resize(comparison.columns.size());
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    std::map<std::string, std::pair<double, int>> sums;
    for (const ComparisonRow& row : comparison.rows) {
      for (const auto& [name, score] : row.answers[column].scores) {
        sums[name].first += score;
        sums[name].second += 1;
      }
    }
    for (const auto& [name, sum] : sums) comparison.scores[column][name] = sum.first / sum.second;
  }
  return comparison;
}

Result<std::vector<ComparisonSample>> read_samples(const std::vector<fs::path>& files,
                                                   const fs::path& image_folder) {
  LUTHIER_TRY(const auto dataset, Dataset::open(files, image_folder));
  std::vector<ComparisonSample> samples;
  for (std::size_t row = 0; row < dataset->size(); ++row) {
    LUTHIER_TRY(Conversation conversation, dataset->read(row));
    samples.push_back({std::move(conversation), dataset->where(row)});
  }
  if (samples.empty()) return input_error("The file holds no row.", files.empty() ? "samples" : files.front().string());
  return samples;
}

}  // namespace luthier
