// SPDX-License-Identifier: GPL-3.0-or-later
// Commands in, events out. The model's thread does one job after another; a training run is one
// long job that lets answers in between its steps. The data thread checks, previews and forecasts
// beside it, without the model.
#include "engine/session/session.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "engine/device/memory.h"
#include "engine/rewards/program_reward.h"
#include "engine/session/data_worker.h"
#include "engine/session/elsewhere/far_run.h"
#include "engine/session/event_queue.h"
#include "engine/session/model_worker.h"
#include "engine/session/run_controls.h"

namespace luthier {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct Session::Impl {
  RequestId fetch(const std::string& repository, const std::string& revision, HubKind kind);

  Impl()
      : model({[this](SessionEvent event) { queue.push(std::move(event)); },
               [this](SessionState next, const std::string& detail) { set_state(next, detail); },
               [this] { return model_thread.run_between(); },
               [this] { return model_thread.waits_between(); }, &cancellations}),
        data([this](SessionEvent event) { queue.push(std::move(event)); }, cancellations),
        model_thread(
            [this](const Job& job, const Error& error) { fail(job, error); },
            [this](const Job& job, std::optional<Error> error) { end(job, std::move(error)); }),
        data_thread(
            [this](const Job& job, const Error& error) { fail(job, error); },
            [this](const Job& job, std::optional<Error> error) { end(job, std::move(error)); }),
        look_thread(
            [this](const Job& job, const Error& error) { fail(job, error); },
            [this](const Job& job, std::optional<Error> error) { end(job, std::move(error)); }),
        fetch_thread(
            [this](const Job& job, const Error& error) { fail(job, error); },
            [this](const Job& job, std::optional<Error> error) { end(job, std::move(error)); }) {
    model_thread.post({"start", 0, false, []() -> Status {
                         use_all_cores();
                         return {};
                       }});
  }

  ~Impl() {
    cancellations.cancel_all();
    if (const auto own = std::dynamic_pointer_cast<OwnRun>(current())) own->stop(StopKind::Save);
    let_go_of_far();
    fetch_thread.finish();
    look_thread.finish();
    data_thread.finish();
    model_thread.finish();
  }

  void set_state(SessionState next, const std::string& detail) {
    if (state.exchange(next) == next && detail.empty()) return;
    queue.push(StateChanged{next, detail});
  }
  void fail(const Job& job, const Error& error) {
    if (job.request == 0) queue.push(CommandFailed{job.command, error});
  }
  void end(const Job& job, std::optional<Error> error) {
    cancellations.forget(job.request);
    const bool cancelled = error && error->code == ErrorCode::Interrupted;
    queue.push(RequestDone{job.request, cancelled ? std::nullopt : std::move(error), cancelled});
  }
  std::shared_ptr<RunControls> current() const {
    const std::lock_guard lock(control_mutex);
    return control;
  }
  void set_current(std::shared_ptr<RunControls> next) {
    const std::lock_guard lock(control_mutex);
    control = std::move(next);
  }
  std::shared_ptr<FarRun> far_run() const { return std::dynamic_pointer_cast<FarRun>(current()); }
  /// Its thread ends by that, and with it whatever it would tell.
  void let_go_of_far() {
    if (auto far = far_run()) {
      set_current(nullptr);
      far->hang_up();
    }
  }
  /// A job of the model's thread; one that may run between steps also wakes a paused run.
  void post(Job job) {
    const bool between = job.between_steps;
    job.work = [this, work = std::move(job.work)] {
      Status status = work();
      model.tell_loss();
      return status;
    };
    model_thread.post(std::move(job));
    const auto running = current();
    if (between && running) running->wake();
  }
  /// One that may only run while the model is loaded and at rest: else its request ends at once.
  void post_at_rest(Job job) {
    if (state.load() == SessionState::Ready && !current()) return post(std::move(job));
    end(job,
        input_error("This is not possible while the session is " + state_name(state.load()) + ".",
                    job.command));
  }
  /// One that needs no model, but would take a run's time.
  void post_unless_run(Job job) {
    if (can_load(state.load()) && !current()) return post(std::move(job));
    end(job,
        input_error("This is not possible while the session is " + state_name(state.load()) + ".",
                    job.command));
  }
  /// What tells one loading to end; the newest is the one that cancel_loading means.
  CancelFlag begin_loading() {
    const std::lock_guard lock(control_mutex);
    return loading = std::make_shared<std::atomic<bool>>(false);
  }
  void end_loading(const CancelFlag& ended) {
    const std::lock_guard lock(control_mutex);
    if (loading == ended) loading = nullptr;
  }
  /// False where nothing is being loaded, nor about to be.
  bool cancel_loading() {
    const std::lock_guard lock(control_mutex);
    const SessionState now = state.load();
    if (!loading || !(can_load(now) || can_cancel_loading(now))) return false;
    loading->store(true);
    return true;
  }
  bool refuse(const char* command, bool allowed) {
    if (allowed) return false;
    queue.push(CommandFailed{command, input_error("This is not possible while the session is " +
                                                      state_name(state.load()) + ".",
                                                  command)});
    return true;
  }
  /// What trains, as one long job of the model's thread.
  using Training = std::function<Status(TrainControl&, const ModelWorker::Cancelled&)>;
  void launch(Training training) {
    if (refuse("launch", can_launch(state.load()) && !current())) return;
    auto next = std::make_shared<OwnRun>([this](SessionState state) { set_state(state, ""); });
    set_current(next);
    set_state(SessionState::Preparing, "");
    const CancelFlag cancelled = begin_loading();
    post({"launch", 0, false, [this, training = std::move(training), next, cancelled] {
            const Status status = training(next->control, [&] { return cancelled->load(); });
            end_loading(cancelled);
            set_current(nullptr);
            return status;
          }});
  }
  /// `order`: nothing attaches to the run.
  void go_elsewhere(const RunPlace& place, const std::string& run,
                    const std::optional<ElsewhereOrder>& order) {
    if (refuse("launch", can_launch(state.load()) && !current())) return;
    if (const Status fine = place.host.empty() ? Status() : check_host(place.host); !fine) {
      queue.push(CommandFailed{"launch", fine.error()});
      return;
    }
    set_state(SessionState::Preparing, "");
    const auto far = std::make_shared<FarRun>(
        place, run, order,
        FarRun::Host{[this](SessionEvent event) { take_far(std::move(event)); },
                     [this] { return queue.has_room(); }});
    set_current(far);
    model_thread.post({"launch", 0, false, [this, far, here = place.host.empty()]() -> Status {
                         if (here) model.step_aside();
                         far->begin();
                         return {};
                       }});
  }
  /// The pictures for another machine are read aside, by no request's job: the run ends the
  /// request.
  void ask_far(std::shared_ptr<FarRun> far, AnswerRequest request, RequestId id) {
    const bool here = far->place().host.empty();
    auto ask = [this, far = std::move(far), asked = std::move(request), id]() -> Status {
      far->answer(asked, id, [this, id] { return cancellations.cancelled(id); });
      cancellations.forget(id);
      return {};
    };
    if (here)
      (void)ask();
    else
      look_thread.post({"answer", 0, false, std::move(ask)});
  }
  /// An event of a run elsewhere; its end puts the session back, behind whatever is being done.
  void take_far(SessionEvent event) {
    if (const auto* changed = std::get_if<StateChanged>(&event))
      return set_state(changed->state, changed->detail);
    const bool ended = std::holds_alternative<RunEnded>(event);
    queue.push(std::move(event));
    if (!ended) return;
    model_thread.post({"rest", 0, true, [this]() -> Status {
                         if (const auto far = far_run()) far->hang_up();
                         const Status status = model.come_back();
                         set_current(nullptr);
                         return status;
                       }});
  }

  EventQueue queue;
  Cancellations cancellations;
  std::atomic<SessionState> state{SessionState::Empty};
  std::atomic<RequestId> next_request{1};
  mutable std::mutex control_mutex;
  std::shared_ptr<RunControls> control;
  CancelFlag loading;
  std::atomic<RequestId> newest_merge{0};  ///< of answer_merged; 0: none is in hand
  ModelWorker model;
  DataWorker data;
  JobThread model_thread, data_thread, look_thread, fetch_thread;
};

Session::Session() {
  install_counting_allocator();  // before the first tensor, whichever host this is
  impl_ = std::make_unique<Impl>();
}
Session::~Session() = default;

void Session::load_model(const std::filesystem::path& folder, const std::string& device,
                         const std::string& dtype) {
  if (impl_->refuse("load_model", can_load(state()))) return;
  LoadOptions options;
  options.device = device;
  options.dtype = dtype;
  const CancelFlag cancelled = impl_->begin_loading();
  impl_->post({"load_model", 0, false, [this, folder, options, cancelled] {
                 const Status status =
                     impl_->model.load(folder, options, [&] { return cancelled->load(); });
                 impl_->end_loading(cancelled);
                 // The state says that nothing is loaded, and whoever cancelled knows why.
                 return !status && status.error().code == ErrorCode::Interrupted ? Status()
                                                                                 : status;
               }});
}

void Session::cancel_loading() {
  if (impl_->cancel_loading()) return;
  impl_->refuse("cancel_loading", false);
}

void Session::launch(const Recipe& recipe, const std::optional<std::filesystem::path>& resume_run,
                     std::size_t held_out_answers, const std::filesystem::path& reward_program) {
  ModelWorker::RunStart start{resume_run, held_out_answers, reward_program};
  impl_->launch([this, recipe, start](TrainControl& control, const auto& cancelled) {
    return impl_->model.train(recipe, start, control, cancelled);
  });
}

void Session::launch_stages(const StagedRecipe& staged,
                            const std::optional<std::filesystem::path>& resume_run,
                            const std::filesystem::path& reward_program) {
  ModelWorker::RunStart start{resume_run, 0, reward_program};
  impl_->launch([this, staged, start](TrainControl& control, const auto& cancelled) {
    return impl_->model.train_stages(staged, start, control, cancelled);
  });
}

std::string Session::launch_elsewhere(const RunPlace& place, const ElsewhereOrder& order) {
  std::string run = new_run_name();
  impl_->go_elsewhere(place, run, order);
  return run;
}

void Session::attach_run(const RunPlace& place, const std::string& run) {
  impl_->go_elsewhere(place, run, std::nullopt);
}

void Session::leave_run() {
  const auto far = impl_->far_run();
  if (impl_->refuse("leave_run", far != nullptr)) return;
  far->leave();
}

std::optional<RunElsewhere> Session::run_elsewhere() const {
  const auto far = impl_->far_run();
  if (!far) return std::nullopt;
  return RunElsewhere{far->place(), far->run()};
}

void Session::pause() {
  const auto running = impl_->current();
  // Where a save began just now, who asks cannot know it yet.
  if (impl_->refuse("pause", running && (can_pause(state()) || state() == SessionState::Saving)))
    return;
  running->pause();
}

void Session::resume() {
  const auto running = impl_->current();
  if (impl_->refuse("resume", running && (can_resume(state()) || state() == SessionState::Pausing ||
                                          state() == SessionState::Saving)))
    return;
  running->resume();
}

void Session::stop(StopKind kind) {
  const auto running = impl_->current();
  if (impl_->refuse("stop", running && (can_stop(state()) || state() == SessionState::Saving ||
                                        state() == SessionState::Loading)))
    return;
  running->stop(kind);
}

void Session::save_now() {
  const auto running = impl_->current();
  if (impl_->refuse("save_now", running != nullptr)) return;
  running->save_now();
}

void Session::set_learning_rate(double learning_rate) { edit_run("learning_rate", learning_rate); }

void Session::edit_run(const std::string& setting, double value) {
  const auto running = impl_->current();
  const std::string command = "set_" + setting;
  if (impl_->refuse(command.c_str(), running != nullptr)) return;
  if (const Status status = check_edit(setting, value); !status) {
    impl_->queue.push(CommandFailed{command, status.error()});
    return;
  }
  running->edit(setting, value);
}

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
  const RequestId id = impl_->next_request++;
  const auto& columns = request.columns;
  if (const auto far = impl_->far_run();
      far && std::find(columns.begin(), columns.end(), kTrainingColumn) != columns.end()) {
    impl_->ask_far(far, std::move(request), id);
    return id;
  }
  impl_->post({"answer", id, true,
               [this, asked = std::move(request), id] { return impl_->model.answer(asked, id); }});
  return id;
}

RequestId Session::score_answers(Comparison comparison, const std::filesystem::path& reward_model) {
  const RequestId id = impl_->next_request++;
  impl_->post({"score_answers", id, true,
               [this, asked = std::move(comparison), reward_model, id]() mutable {
                 return impl_->model.score_answers(std::move(asked), reward_model, id);
               }});
  return id;
}

RequestId Session::force_answer(AnswerQuestion question) {
  const RequestId id = impl_->next_request++;
  impl_->post({"force_answer", id, true, [this, asked = std::move(question), id] {
                 return impl_->model.force_answer(asked, id);
               }});
  return id;
}

RequestId Session::find_attention(AnswerQuestion question) {
  const RequestId id = impl_->next_request++;
  impl_->model_thread.drop_waiting("find_attention");  // only the newest token matters
  impl_->post({"find_attention", id, true, [this, asked = std::move(question), id] {
                 return impl_->model.find_attention(asked, id);
               }});
  return id;
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
  const RequestId id = impl_->next_request++;
  impl_->post_at_rest({"merge_into_base", id, false, [this, recipe = std::move(recipe), id] {
                         return impl_->model.merge_into_base(recipe, id);
                       }});
  return id;
}

void Session::undo_merge() {
  impl_->post({"undo_merge", 0, false, [this] { return impl_->model.undo_merge(); }});
}

RequestId Session::save_combined(MergeRecipe recipe, const std::filesystem::path& out) {
  const RequestId id = impl_->next_request++;
  impl_->post({"save_combined", id, true, [this, recipe = std::move(recipe), out, id] {
                 return impl_->model.save_combined(recipe, out, id);
               }});
  return id;
}

RequestId Session::write_merged(MergeRecipe recipe, const std::filesystem::path& out) {
  const RequestId id = impl_->next_request++;
  impl_->post_at_rest({"write_merged", id, false, [this, recipe = std::move(recipe), out, id] {
                         return impl_->model.write_merged(recipe, out, id);
                       }});
  return id;
}

RequestId Session::find_ranks(const std::filesystem::path& folder) {
  const RequestId id = impl_->next_request++;
  impl_->post(
      {"find_ranks", id, true, [this, folder, id] { return impl_->model.find_ranks(folder, id); }});
  return id;
}

RequestId Session::look_at_card(const std::filesystem::path& folder, const LookOrder& order) {
  const RequestId id = impl_->next_request++;
  impl_->post({"look_at_card", id, true,
               [this, folder, order, id] { return impl_->model.look_at_card(folder, order, id); }});
  return id;
}

RequestId Session::find_likeness(LikenessRequest request) {
  const RequestId id = impl_->next_request++;
  impl_->post({"find_likeness", id, true, [this, asked = std::move(request), id] {
                 return impl_->model.find_likeness(asked, id);
               }});
  return id;
}

RequestId Session::export_result(ExportRequest request) {
  const RequestId id = impl_->next_request++;
  impl_->post_unless_run({"export_result", id, false, [this, asked = std::move(request), id] {
                            return impl_->model.export_for_others(asked, id);
                          }});
  return id;
}

RequestId Session::inspect_row(const Recipe& recipe, std::size_t row) {
  const RequestId request = impl_->next_request++;
  impl_->data_thread.drop_waiting("inspect_row");  // only the newest row matters
  impl_->data_thread.post({"inspect_row", request, false, [this, recipe, row, request] {
                             return impl_->data.inspect(recipe, row, request);
                           }});
  return request;
}

RequestId Session::find_token_losses(const Recipe& recipe, std::size_t row) {
  const RequestId request = impl_->next_request++;
  impl_->model_thread.drop_waiting("find_token_losses");
  impl_->post({"find_token_losses", request, true, [this, recipe, row, request] {
                 return impl_->model.find_token_losses(recipe, row, request);
               }});
  return request;
}

RequestId Session::take_slow_step(const Recipe& recipe, const SlowStepRequest& asked) {
  const RequestId request = impl_->next_request++;
  impl_->post_at_rest({"take_slow_step", request, false, [this, recipe, asked, request] {
                         return impl_->model.take_slow_step(recipe, asked, request);
                       }});
  return request;
}

RequestId Session::check_data(const Recipe& recipe) {
  const RequestId request = impl_->next_request++;
  impl_->data_thread.post({"check_data", request, false,
                           [this, recipe, request] { return impl_->data.check(recipe, request); }});
  return request;
}

RequestId Session::preview_rows(const Recipe& recipe, std::size_t first, std::size_t count) {
  const RequestId request = impl_->next_request++;
  impl_->data_thread.post({"preview_rows", request, false, [this, recipe, first, count, request] {
                             return impl_->data.preview(recipe, first, count, request);
                           }});
  return request;
}

RequestId Session::forecast(const Recipe& recipe) {
  const RequestId request = impl_->next_request++;
  impl_->data_thread.drop_waiting("forecast");  // only the newest settings matter
  impl_->data_thread.post({"forecast", request, false, [this, recipe, request] {
                             return impl_->data.forecast(recipe, request);
                           }});
  return request;
}

RequestId Session::table_methods(const Recipe& recipe, bool four_bits_beside) {
  const RequestId request = impl_->next_request++;
  impl_->data_thread.drop_waiting("table_methods");  // only the newest settings matter
  impl_->data_thread.post(
      {"table_methods", request, false, [this, recipe, four_bits_beside, request] {
         return impl_->data.table_methods(recipe, four_bits_beside, request);
       }});
  return request;
}

RequestId Session::find_models(std::vector<std::filesystem::path> folders) {
  const RequestId request = impl_->next_request++;
  const std::filesystem::path cache = hub_settings().cache;
  impl_->look_thread.drop_waiting("find_models");  // only the newest question matters
  impl_->look_thread.post({"find_models", request, false,
                           [this, request, cache, asked = std::move(folders)]() -> Status {
                             ModelsFound event{
                                 request, luthier::find_models(cache, asked, loadable_types(), [&] {
                                   return !impl_->cancellations.cancelled(request);
                                 })};
                             if (impl_->cancellations.cancelled(request))
                               return interrupted_error();
                             impl_->queue.push(std::move(event));
                             return {};
                           }});
  return request;
}

RequestId Session::fetch_model(const std::string& repository, const std::string& revision) {
  return impl_->fetch(repository, revision, HubKind::Model);
}

RequestId Session::fetch_dataset(const std::string& repository, const std::string& revision) {
  return impl_->fetch(repository, revision, HubKind::Dataset);
}

RequestId Session::Impl::fetch(const std::string& repository, const std::string& revision,
                               HubKind kind) {
  const RequestId request = next_request++;
  FetchRequest asked;
  asked.kind = kind;
  asked.repository = repository;
  asked.revision = revision;
  asked.hub = hub_settings();
  fetch_thread.post({"fetch_model", request, false, [this, request, asked]() -> Status {
                       LUTHIER_TRY(FetchedModel model,
                                   luthier::fetch_model(asked, [&](const FetchProgress& progress) {
                                     queue.push(FetchProgressed{request, progress});
                                     return !cancellations.cancelled(request);
                                   }));
                       queue.push(ModelFetched{request, std::move(model)});
                       return {};
                     }});
  return request;
}

void Session::cancel(RequestId request) {
  const auto far = impl_->far_run();
  if (far && far->cancel(request)) return;
  impl_->cancellations.cancel(request);
  if (far) far->cancel(request);  // where it was sent just now
}
SessionState Session::state() const { return impl_->state.load(); }
bool Session::has_run() const { return impl_->current() != nullptr; }
std::vector<SessionEvent> Session::drain() { return impl_->queue.drain(); }
bool Session::wait(double seconds) { return impl_->queue.wait(seconds); }

}  // namespace luthier
