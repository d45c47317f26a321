// SPDX-License-Identifier: GPL-3.0-or-later
// Keys of what is kept name the files with their times and sizes, so that a changed file is read
// again.
#include "engine/session/data_worker.h"

#include <chrono>

#include "engine/config/order_fields.h"
#include "engine/data/columns.h"
#include "engine/data/media_limits.h"
#include "engine/data/row_kind.h"
#include "engine/io/path_stamp.h"
#include "engine/methods/adapter_notes.h"
#include "engine/session/method_runs.h"
#include "engine/session/run_observer.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

std::string model_key(const Recipe& recipe) {
  const fs::path folder = recipe.model;
  std::string key;
  for (const char* name :
       {"config.json", "tokenizer.json", "tokenizer.model", "spiece.model", "spm.model",
        "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "chat_template.jinja",
        "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
        "video_preprocessor_config.json"}) {
    key += path_stamp(folder / name);
  }
  return key + pixels_text(media_limits(recipe));
}

/// The text of answers that stand in their row as tokens alone.
void write_samples(Conversation& row, const Tokenizer& tokenizer) {
  if (!row.answer) return;
  for (Message& answer : *row.answer) {
    const auto ids =
        answer.extra.is_object() ? answer.extra.find("completion_ids") : answer.extra.end();
    if (ids == answer.extra.end() || !answer.content.empty()) continue;
    std::vector<TokenId> written;
    for (const Json& id : *ids)
      if (id < tokenizer.vocab_size()) written.push_back(id.get<TokenId>());
    if (const auto text = tokenizer.decode(written, /*skip_special=*/true))
      answer.content.push_back(ContentPart::of_text(*text));
  }
}

/// The row's sentence where an end was found: what the model gets of each token.
RowPreview preview_row(const Dataset& dataset, const ChatProcessor& processor, const Recipe& recipe,
                       std::size_t row) {
  RowPreview preview;
  preview.row = row;
  preview.truncated_tokens = 0;
  const RowKind& kind = row_kind_of(recipe);
  auto conversation = read_row(dataset, row, kind);
  if (!conversation) {
    preview.error = conversation.error();
    return preview;
  }
  preview.conversation = conversation.take();
  write_samples(preview.conversation, processor.tokenizer());
  RowEncoding how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.max_length = recipe.training.max_length;
  how.outline = true;
  const auto encoded = kind.encode(preview.conversation, processor, how, dataset.where(row));
  if (!encoded) {
    preview.error = encoded.error();
    return preview;
  }
  for (const Example& sequence : encoded->sequences) {
    preview.truncated_tokens += sequence.truncated_tokens;
    preview.begins.push_back(preview.ids.size());
    const auto show = [&](TokenId id, bool trained) {
      preview.ids.push_back(id);
      preview.pieces.push_back(processor.tokenizer().id_to_token(id));
      preview.trained.push_back(trained);
      preview.image.push_back(processor.shows(id));
    };
    // Behind a picture they are another tokenizer's (InstructBLIP).
    const bool own = processor.row_form() != RowForm::PrefixSuffix;
    if (own)
      for (const TokenId id : sequence.source_ids) show(id, false);
    for (std::size_t i = 0; i < sequence.input_ids.size(); ++i)
      show(sequence.input_ids[i], sequence.labels[i] != kIgnoreLabel);
  }
  return preview;
}

}  // namespace

std::function<bool(std::size_t, std::size_t)> DataWorker::watch(RequestId request,
                                                                const std::string& what) const {
  auto last = std::make_shared<std::chrono::steady_clock::time_point>();
  return [this, request, what, last](std::size_t done, std::size_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (now - *last > std::chrono::milliseconds(50)) {
      *last = now;
      emit_(Progress{request, what, static_cast<double>(done), static_cast<double>(total)});
    }
    return !cancellations_.cancelled(request);
  };
}

Result<std::shared_ptr<const ChatProcessor>> DataWorker::processor_for(const Recipe& recipe) {
  if (recipe.model.empty())
    return input_error("No model is chosen.", "model", "Choose one on the Model page.");
  const std::string key = model_key(recipe);
  if (!processor_ || key != processor_key_) {
    LUTHIER_TRY(processor_, load_processor(recipe));
    processor_key_ = key;
  }
  return processor_;
}

Result<std::shared_ptr<const ModelSummary>> DataWorker::summary_for(const Recipe& recipe) {
  if (recipe.model.empty())
    return input_error("No model is chosen.", "model", "Choose one on the Model page.");
  const std::string key = model_key(recipe) +
                          path_stamp(fs::path(recipe.model) / "model.safetensors") +
                          path_stamp(fs::path(recipe.model) / "model.safetensors.index.json");
  if (!summary_ || key != summary_key_) {
    LUTHIER_TRY(ModelSummary summary, summarize_model(recipe.model));
    summary_ = std::make_shared<const ModelSummary>(std::move(summary));
    summary_key_ = key;
  }
  return summary_;
}

Result<std::shared_ptr<const Dataset>> DataWorker::dataset_for(const Recipe& recipe) {
  const std::vector<std::string> files = training_files(recipe);
  if (files.empty())
    return input_error("No data is chosen.", "dataset", "Choose a file of rows on the Data page.");
  const std::string key = rows_stamp(recipe, files);
  if (!dataset_ || key != dataset_key_) {
    LUTHIER_TRY(dataset_, shared_rows(recipe, files));
    dataset_key_ = key;
  }
  return dataset_;
}

Status DataWorker::check(const Recipe& recipe, RequestId request) {
  LUTHIER_TRY(const auto processor, processor_for(recipe));
  LUTHIER_TRY(const auto dataset, dataset_for(recipe));
  DatasetCheck how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.max_length = recipe.training.max_length;
  how.kind = &row_kind_of(recipe);
  LUTHIER_TRY(DatasetReport report,
              check_dataset(*dataset, *processor, how, watch(request, "Checking rows")));
  emit_(DataChecked{request, std::make_shared<const DatasetReport>(std::move(report))});
  return {};
}

Status DataWorker::preview(const Recipe& recipe, std::size_t first, std::size_t count,
                           RequestId request) {
  LUTHIER_TRY(const auto processor, processor_for(recipe));
  LUTHIER_TRY(const auto dataset, dataset_for(recipe));
  RowsPreviewed event;
  event.request = request;
  event.total_rows = dataset->size();
  for (std::size_t row = first; row < dataset->size() && row - first < count; ++row) {
    if (cancellations_.cancelled(request)) return interrupted_error();
    event.rows.push_back(preview_row(*dataset, *processor, recipe, row));
  }
  emit_(std::move(event));
  return {};
}

Status DataWorker::inspect(const Recipe& recipe, std::size_t row, RequestId request) {
  LUTHIER_TRY(const auto processor, processor_for(recipe));
  LUTHIER_TRY(const auto dataset, dataset_for(recipe));
  LUTHIER_TRY(InspectedRow inspected, inspect_row(recipe, *dataset, *processor, row));
  if (cancellations_.cancelled(request)) return interrupted_error();
  emit_(RowInspected{request, std::move(inspected)});
  return {};
}

Status DataWorker::forecast(const Recipe& recipe, RequestId request) {
  LUTHIER_TRY(const auto processor, processor_for(recipe));
  LUTHIER_TRY(const auto summary, summary_for(recipe));
  LUTHIER_TRY(const auto dataset, dataset_for(recipe));
  const std::string key =
      processor_key_ + dataset_key_ + recipe.training.loss_on + recipe.objective;
  if (!rows_ || key != rows_key_) {
    LUTHIER_TRY(std::vector<RowShape> rows, measure_rows(*dataset, *processor, recipe, 50'000,
                                                         watch(request, "Measuring rows")));
    rows_ = std::make_shared<const std::vector<RowShape>>(std::move(rows));
    rows_key_ = key;
  }
  LUTHIER_TRY(const BatchShape shape, batch_shape(*rows_, recipe));
  ForecastMade event;
  event.request = request;
  LUTHIER_TRY(event.forecast, forecast_memory(*summary, recipe, shape));
  LUTHIER_TRY(const TrainedModules trained, trained_modules(*summary, recipe));
  event.trainable = trained.parameters;
  emit_(std::move(event));
  return {};
}

Status DataWorker::table_methods(const Recipe& recipe, bool four_bits_beside, RequestId request) {
  LUTHIER_TRY(const auto summary, summary_for(recipe));
  LUTHIER_TRY(const std::string dtype, compute_type(recipe));
  LUTHIER_TRY(MethodTable table, method_table(*summary, recipe, method_choices(four_bits_beside),
                                              /*settings=*/{}, dtype));
  if (cancellations_.cancelled(request)) return interrupted_error();
  emit_(MethodsTabled{request, std::move(table)});
  return {};
}

}  // namespace luthier
