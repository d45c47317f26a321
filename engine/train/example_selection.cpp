// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/example_selection.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/io/system_error.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kStateRows = 8;
constexpr std::int64_t kStateTokens = 4096;  // of several rows at once; a longer one goes alone

/// The states of all rows, in a file that goes with it.
class StateFile {
 public:
  explicit StateFile(fs::path path) : path_(std::move(path)) {}
  ~StateFile() {
    file_.close();
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  Status open() {
    file_.open(path_, std::ios::binary | std::ios::in | std::ios::out | std::ios::trunc);
    return file_ ? Status() : failed("The states cannot be written");
  }
  /// [tokens, width] float32 on the CPU.
  Status add(const torch::Tensor& states) {
    const torch::Tensor rows = as_few_rows(states).contiguous();
    places_.push_back({written_, rows.size(0)});
    width_ = rows.size(1);
    const auto bytes = static_cast<std::streamsize>(rows.numel() * sizeof(float));
    file_.write(reinterpret_cast<const char*>(rows.data_ptr<float>()), bytes);
    written_ += bytes;
    squares_ += rows.square().sum().item<double>();
    tokens_ += states.size(0);
    costs_.push_back(static_cast<double>(std::max<std::int64_t>(1, states.size(0))));
    return file_ ? Status() : failed("The states cannot be written");
  }
  Result<torch::Tensor> read(std::size_t example) {
    const auto [begin, count] = places_[example];
    torch::Tensor rows = torch::empty({count, width_}, torch::kFloat32);
    file_.seekg(begin);
    file_.read(reinterpret_cast<char*>(rows.data_ptr<float>()),
               static_cast<std::streamsize>(rows.numel() * sizeof(float)));
    if (!file_) return failed("The states cannot be read");
    return rows.mul_(static_cast<float>(1 / length()));
  }
  /// Of a token's numbers, the root of the mean square.
  double length() const {
    const double mean = squares_ / static_cast<double>(std::max<std::int64_t>(1, tokens_));
    return mean > 0 && std::isfinite(mean) ? std::sqrt(mean) : 1;
  }
  bool finite() const { return std::isfinite(squares_); }
  std::int64_t width() const { return width_; }
  const std::vector<double>& costs() const { return costs_; }  ///< labelled tokens of each row

 private:
  struct Place {
    std::streamoff begin;
    std::int64_t count;
  };
  Error failed(const std::string& what) const { return system_error(what, path_, errno); }

  fs::path path_;
  std::fstream file_;
  std::vector<Place> places_;
  std::vector<double> costs_;
  std::streamoff written_ = 0;
  std::int64_t width_ = 0, tokens_ = 0;
  double squares_ = 0;
};

/// Of each row of a micro-batch the states that its labelled tokens are predicted from.
Status add_states(const LoadedModel& model, const MicroBatch& micro, StateFile& states) {
  const BatchMaker maker(model, /*tower_fixed=*/false, nullptr);
  const Batch batch = maker.make(micro, SequenceOrder::RowByRow, BatchMaker::Pass::Evaluation);
  const torch::Tensor all = states_before_head(*model.model, batch.input);  // [tokens, hidden]
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const Example& example = batch.example(i);
    std::vector<std::int64_t> places;
    for (std::size_t token = 1; token < example.labels.size(); ++token) {
      if (example.labels[token] != kIgnoreLabel)
        places.push_back(begin + static_cast<std::int64_t>(token) - 1);
    }
    const torch::Tensor index = torch::tensor(places, torch::kInt64).to(all.device());
    LUTHIER_CHECK(states.add(all.index_select(0, index).to(torch::kFloat32).cpu()));
    begin += static_cast<std::int64_t>(example.input_ids.size());
  }
  return {};
}

}  // namespace

Result<ChosenExamples> select_rows(const LoadedModel& model, const RowReader& reader,
                                   const std::vector<std::int64_t>& rows,
                                   const SelectionOptions& options) try {
  if (!model.model->causal())
    return input_error("Rows are chosen by the states of a decoder, and a model of type " +
                           std::string(model.family->model_type) + " is none.",
                       model.folder.string(), "Choose a model that writes text token by token.");
  const c10::InferenceMode inference;
  StateFile states(options.scratch);
  LUTHIER_CHECK(states.open());
  MicroBatch micro;
  const auto flush = [&]() -> Status {
    if (!micro.empty()) LUTHIER_CHECK(add_states(model, micro, states));
    micro = {};
    return {};
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (options.progress && !options.progress("Reading rows", i, rows.size()))
      return interrupted_error();
    adapt_waiting();
    LUTHIER_TRY(EncodedRow encoded, reader.read(rows[i]));
    if (micro.encoded.size() == kStateRows || micro.tokens() + encoded.tokens() > kStateTokens)
      LUTHIER_CHECK(flush());
    micro.rows.push_back(rows[i]);
    micro.encoded.push_back(std::move(encoded));
    micro.cached.emplace_back();
  }
  LUTHIER_CHECK(flush());
  if (!states.finite())
    return input_error("What the model makes of the rows is not finite.", model.folder.string(),
                       "Its weights are damaged, or its training has diverged.");
  InformationSource source;
  source.examples = rows.size();
  source.width = states.width();
  if (options.per_token) source.costs = states.costs();
  source.states = [&](std::size_t example) { return states.read(example); };
  source.progress = [&](std::size_t chosen, std::size_t of) {
    return !options.progress || options.progress("Choosing rows", chosen, of);
  };
  return choose_examples(source, options.rows, options.prior);
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out while rows were chosen.", model.folder.string(),
                    "Give shorter rows (--max-length), or a smaller model to choose by."),
      machine_error("Rows could not be chosen: " + first_line(problem.what()),
                    model.folder.string()),
      model.model->device().str());
}

}  // namespace luthier
