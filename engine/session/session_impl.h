// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind a Session: its threads, the queue of its events, and the run that it has. Read
// by the session's own files alone.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "engine/device/memory.h"
#include "engine/session/data_worker.h"
#include "engine/session/elsewhere/far_run.h"
#include "engine/session/event_queue.h"
#include "engine/session/model_worker.h"
#include "engine/session/run_controls.h"
#include "engine/session/session.h"

namespace luthier {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct Session::Impl {
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
  /// A request that the model's thread works on, between a run's steps too: `work` of its number.
  template <class Work>
  RequestId ask(const char* command, Work work) {
    const RequestId id = next_request++;
    post({command, id, true, [id, work = std::move(work)]() mutable { return work(id); }});
    return id;
  }
  /// One for which the model must be at rest.
  template <class Work>
  RequestId ask_at_rest(const char* command, Work work) {
    const RequestId id = next_request++;
    post_at_rest({command, id, false, [id, work = std::move(work)]() mutable { return work(id); }});
    return id;
  }
  /// One that `thread` works on, beside the model's.
  template <class Work>
  RequestId ask_beside(JobThread& thread, const char* command, Work work) {
    const RequestId id = next_request++;
    thread.post({command, id, false, [id, work = std::move(work)]() mutable { return work(id); }});
    return id;
  }
  RequestId fetch(const std::string& repository, const std::string& revision, HubKind kind);
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

}  // namespace luthier
