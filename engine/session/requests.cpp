// SPDX-License-Identifier: GPL-3.0-or-later
// What a session is asked, each with a number that its events and its end name.
#include <algorithm>

#include "engine/rewards/program_reward.h"
#include "engine/session/session_impl.h"

namespace luthier {

RequestId Session::try_one_step(const Recipe& recipe, const std::filesystem::path& reward_program) {
  const RequestId request = impl_->next_request++;
  Job job{"try_one_step", request, false, [this, recipe, reward_program, request]() -> Status {
            LUTHIER_TRY(const auto program, name_reward_program(reward_program));
            const CancelFlag cancelled = impl_->begin_loading();
            const Status status =
                impl_->model.try_one_step(recipe, request, [&] { return cancelled->load(); });
            impl_->end_loading(cancelled);
            return status;
          }};
  // A run here goes first; one elsewhere is not waited for.
  if (impl_->far_run())
    impl_->post_at_rest(std::move(job));
  else
    impl_->post(std::move(job));
  return request;
}

void Session::attach_adapter(const std::string& name, const std::filesystem::path& folder) {
  impl_->post({"attach_adapter", 0, true,
               [this, name, folder] { return impl_->model.attach(name, folder); }});
}

void Session::drop_adapter(const std::string& name) {
  impl_->post({"drop_adapter", 0, true, [this, name] { return impl_->model.drop(name); }});
}

void Session::set_adapter_strength(const std::string& name, double strength) {
  impl_->post({"set_adapter_strength", 0, true,
               [this, name, strength] { return impl_->model.set_strength(name, strength); }});
}

RequestId Session::answer(AnswerRequest request) {
  const auto& columns = request.columns;
  if (const auto far = impl_->far_run();
      far && std::find(columns.begin(), columns.end(), kTrainingColumn) != columns.end()) {
    const RequestId id = impl_->next_request++;
    impl_->ask_far(far, std::move(request), id);
    return id;
  }
  return impl_->ask("answer", [this, asked = std::move(request)](RequestId id) {
    return impl_->model.answer(asked, id);
  });
}

RequestId Session::score_answers(Comparison comparison, const std::filesystem::path& reward_model) {
  return impl_->ask("score_answers",
                    [this, asked = std::move(comparison), reward_model](RequestId id) mutable {
                      return impl_->model.score_answers(std::move(asked), reward_model, id);
                    });
}

RequestId Session::force_answer(AnswerQuestion question) {
  return impl_->ask("force_answer", [this, asked = std::move(question)](RequestId id) {
    return impl_->model.force_answer(asked, id);
  });
}

RequestId Session::find_attention(AnswerQuestion question) {
  impl_->model_thread.drop_waiting("find_attention");  // only the newest token matters
  return impl_->ask("find_attention", [this, asked = std::move(question)](RequestId id) {
    return impl_->model.find_attention(asked, id);
  });
}

RequestId Session::answer_merged(MergeRecipe recipe, AnswerRequest request) {
  const RequestId id = impl_->next_request++;
  // Only the newest weights matter.
  if (const RequestId before = impl_->newest_merge.exchange(id)) cancel(before);
  impl_->model_thread.drop_waiting("answer_merged");
  impl_->post({"answer_merged", id, true,
               [this, recipe = std::move(recipe), asked = std::move(request), id] {
                 const Status status = impl_->model.answer_merged(recipe, asked, id);
                 RequestId own = id;
                 impl_->newest_merge.compare_exchange_strong(own, 0);
                 return status;
               }});
  return id;
}

RequestId Session::merge_into_base(MergeRecipe recipe) {
  return impl_->ask_at_rest("merge_into_base", [this, recipe = std::move(recipe)](RequestId id) {
    return impl_->model.merge_into_base(recipe, id);
  });
}

void Session::undo_merge() {
  impl_->post({"undo_merge", 0, false, [this] { return impl_->model.undo_merge(); }});
}

RequestId Session::save_combined(MergeRecipe recipe, const std::filesystem::path& out) {
  return impl_->ask("save_combined", [this, recipe = std::move(recipe), out](RequestId id) {
    return impl_->model.save_combined(recipe, out, id);
  });
}

RequestId Session::write_merged(MergeRecipe recipe, const std::filesystem::path& out) {
  return impl_->ask_at_rest("write_merged", [this, recipe = std::move(recipe), out](RequestId id) {
    return impl_->model.write_merged(recipe, out, id);
  });
}

RequestId Session::find_ranks(const std::filesystem::path& folder) {
  return impl_->ask("find_ranks",
                    [this, folder](RequestId id) { return impl_->model.find_ranks(folder, id); });
}

RequestId Session::look_at_card(const std::filesystem::path& folder, const LookOrder& order) {
  return impl_->ask("look_at_card", [this, folder, order](RequestId id) {
    return impl_->model.look_at_card(folder, order, id);
  });
}

RequestId Session::find_likeness(LikenessRequest request) {
  return impl_->ask("find_likeness", [this, asked = std::move(request)](RequestId id) {
    return impl_->model.find_likeness(asked, id);
  });
}

RequestId Session::export_result(ExportRequest request) {
  const RequestId id = impl_->next_request++;
  impl_->post_unless_run({"export_result", id, false, [this, asked = std::move(request), id] {
                            return impl_->model.export_for_others(asked, id);
                          }});
  return id;
}

RequestId Session::find_token_losses(const Recipe& recipe, std::size_t row) {
  impl_->model_thread.drop_waiting("find_token_losses");
  return impl_->ask("find_token_losses", [this, recipe, row](RequestId id) {
    return impl_->model.find_token_losses(recipe, row, id);
  });
}

RequestId Session::take_slow_step(const Recipe& recipe, const SlowStepRequest& asked) {
  return impl_->ask_at_rest("take_slow_step", [this, recipe, asked](RequestId id) {
    return impl_->model.take_slow_step(recipe, asked, id);
  });
}

RequestId Session::inspect_row(const Recipe& recipe, std::size_t row) {
  impl_->data_thread.drop_waiting("inspect_row");  // only the newest row matters
  return impl_->ask_beside(impl_->data_thread, "inspect_row", [this, recipe, row](RequestId id) {
    return impl_->data.inspect(recipe, row, id);
  });
}

RequestId Session::check_data(const Recipe& recipe) {
  return impl_->ask_beside(impl_->data_thread, "check_data",
                           [this, recipe](RequestId id) { return impl_->data.check(recipe, id); });
}

RequestId Session::preview_rows(const Recipe& recipe, std::size_t first, std::size_t count) {
  return impl_->ask_beside(impl_->data_thread, "preview_rows",
                           [this, recipe, first, count](RequestId id) {
                             return impl_->data.preview(recipe, first, count, id);
                           });
}

RequestId Session::forecast(const Recipe& recipe) {
  impl_->data_thread.drop_waiting("forecast");  // only the newest settings matter
  return impl_->ask_beside(impl_->data_thread, "forecast", [this, recipe](RequestId id) {
    return impl_->data.forecast(recipe, id);
  });
}

RequestId Session::table_methods(const Recipe& recipe, bool four_bits_beside) {
  impl_->data_thread.drop_waiting("table_methods");  // only the newest settings matter
  return impl_->ask_beside(impl_->data_thread, "table_methods",
                           [this, recipe, four_bits_beside](RequestId id) {
                             return impl_->data.table_methods(recipe, four_bits_beside, id);
                           });
}

RequestId Session::find_models(std::vector<std::filesystem::path> folders) {
  const std::filesystem::path cache = hub_settings().cache;
  impl_->look_thread.drop_waiting("find_models");  // only the newest question matters
  return impl_->ask_beside(
      impl_->look_thread, "find_models",
      [this, cache, asked = std::move(folders)](RequestId id) -> Status {
        const auto cancelled = [&] { return impl_->cancellations.cancelled(id); };
        ModelsFound event{
            id, luthier::find_models(cache, asked, loadable_types(), [&] { return !cancelled(); })};
        if (cancelled()) return interrupted_error();
        impl_->queue.push(std::move(event));
        return {};
      });
}

RequestId Session::Impl::fetch(const std::string& repository, const std::string& revision,
                               HubKind kind) {
  FetchRequest asked;
  asked.kind = kind;
  asked.repository = repository;
  asked.revision = revision;
  asked.hub = hub_settings();
  return ask_beside(fetch_thread, "fetch_model", [this, asked](RequestId id) -> Status {
    LUTHIER_TRY(FetchedModel model, luthier::fetch_model(asked, [&](const FetchProgress& progress) {
                  queue.push(FetchProgressed{id, progress});
                  return !cancellations.cancelled(id);
                }));
    queue.push(ModelFetched{id, std::move(model)});
    return {};
  });
}

RequestId Session::fetch_model(const std::string& repository, const std::string& revision) {
  return impl_->fetch(repository, revision, HubKind::Model);
}

RequestId Session::fetch_dataset(const std::string& repository, const std::string& revision) {
  return impl_->fetch(repository, revision, HubKind::Dataset);
}

}  // namespace luthier
