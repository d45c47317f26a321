// SPDX-License-Identifier: GPL-3.0-or-later
// One answer under every column: read by each in turn, on the resident base or by a checkpoint of
// its own, which is let go of again.
#include "engine/compare/attention_weights.h"
#include "engine/compare/compare.h"
#include "engine/device/memory.h"
#include "engine/session/model_worker.h"

namespace luthier {

namespace {

std::vector<ColumnName> names_of(const AnswerQuestion& asked) {
  std::vector<ColumnName> names;
  for (const auto& name : asked.columns) names.push_back({name.value_or(kBaseColumn)});
  return names;
}

}  // namespace

Status ModelWorker::as_column(
    const std::optional<std::string>& name, RequestId request,
    const std::function<Status(const LoadedModel&, const ChatProcessor&)>& work) {
  LUTHIER_TRY(const auto adapter,
              name ? column_adapter(*name) : Result<std::shared_ptr<Adapter>>(nullptr));
  if (name && !adapter) {
    LoadOptions options = base_options_;
    options.random_weights = false;
    options.pixels = {};  // its own processor says how it sees pictures
    options.go_on = [&](double) { return !host_.cancellations->cancelled(request); };
    Status status;
    {
      LUTHIER_TRY(const LoadedModel own, load_model(attached_.at(*name).folder, options));
      status = work(own, *own.processor);
    }
    release_cached_memory(base_->model->device());
    return status;
  }
  LUTHIER_TRY(const auto processor, column_processor(adapter.get()));
  if (live_) live_->deactivate();  // the trainer puts its own back
  if (!adapter) return work(*base_, *processor);
  adapter->set_training(false, 0);
  const AdapterWhile hung(*adapter, /*rests=*/adapter != live_);
  return work(*base_, *processor);
}

template <class Work>
Status ModelWorker::examine(const AnswerQuestion& asked, RequestId request, const Work& work) {
  LUTHIER_CHECK(need_base());
  LUTHIER_CHECK(check_pictures({asked.answer.sample}));
  const auto go_on = [&] { return !host_.cancellations->cancelled(request); };
  const auto door = [&](std::size_t column, const auto& of_column) {
    return as_column(asked.columns[column], request, of_column);
  };
  try {
    return work(door, go_on);
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
}

Status ModelWorker::force_answer(const AnswerQuestion& asked, RequestId request) {
  return examine(asked, request, [&](const auto& door, const auto& go_on) -> Status {
    LUTHIER_TRY(auto scored,
                score_forced({asked.answer}, names_of(asked), asked.reference, door, go_on));
    host_.emit(AnswerForced{request, std::move(scored.front())});
    return {};
  });
}

Status ModelWorker::find_attention(const AnswerQuestion& asked, RequestId request) {
  return examine(asked, request, [&](const auto& door, const auto& go_on) -> Status {
    LUTHIER_TRY(TokenAttention found,
                luthier::find_attention(asked.answer, asked.token, names_of(asked), door, go_on));
    host_.emit(AttentionFound{request, std::move(found)});
    return {};
  });
}

}  // namespace luthier
