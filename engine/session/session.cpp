// SPDX-License-Identifier: GPL-3.0-or-later
// Commands in, events out. The model's thread does one job after another; a training run is one
// long job that lets answers in between its steps. The data thread checks, previews and forecasts
// beside it, without the model. Here: the model that is loaded and the run that it trains in; what
// is asked besides stands in requests.cpp.
#include "engine/session/session_impl.h"

namespace luthier {

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
