// SPDX-License-Identifier: GPL-3.0-or-later
// A run elsewhere as a session has it in hand: the client of `luthier-cli serve`, on this machine
// or through ssh. One thread holds the line: it tells the run's events in their order, each once,
// sends what is asked, and where the line is cut it says so and connects again behind the last
// event that it had. No LibTorch header.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "engine/io/system_error.h"
#include "engine/runs/elsewhere/protocol.h"
#include "engine/session/elsewhere/run_place.h"
#include "engine/session/run_controls.h"

namespace luthier {

class FollowedFiles;

class FarRun : public RunControls {
 public:
  struct Host {
    /// On the line's thread; what cannot be asked, on the asker's. The last one is RunEnded.
    std::function<void(SessionEvent)> tell;
    std::function<bool()> has_room;  ///< no event of the run is told while there is none
  };

  /// Is to start a run, or (`order` is nothing) to attach to the one of that name.
  FarRun(RunPlace place, std::string run, std::optional<ElsewhereOrder> order, Host host);
  /// Takes the line up.
  void begin();
  ~FarRun() override;  ///< hangs up
  /// Lets go of the line, whose thread has ended when this returns; the run goes on.
  void hang_up();

  void pause() override { send("pause"); }
  void resume() override { send("resume"); }
  void stop(StopKind kind) override;
  void save_now() override { send("save_now"); }
  void edit(const std::string& setting, double value) override;
  /// The request's number is the session's own; its events come under it.
  /// What `cancelled` says ends it before it is sent; from then on cancel() does. Reads the
  /// pictures of another machine's question.
  void answer(const AnswerRequest& request, RequestId id, const std::function<bool()>& cancelled);
  /// False: it is not this run that is asked.
  bool cancel(RequestId id);
  /// The thread ends soon, and tells that this session has it in hand no more.
  void leave();

  const RunPlace& place() const { return place_; }
  const std::string& run() const { return run_; }

 private:
  struct Line;  ///< one connection
  enum class Leaving { No, Told, Quiet };
  /// An order that serve has not yet said to be passed on.
  struct Unconfirmed {
    std::string command;
    RequestId request = 0;
  };

  void loop();
  /// One line from its beginning to its cut → how it was cut, or why there was none. What throws
  /// (memory that ran out) cuts it, too.
  Error hold_line();
  Status greet(Line& line, const Json& said);
  /// What serve said. An error: nothing more is to be expected of this line.
  Status hear(Line& line, const std::string& said);
  void send(const std::string& command);
  void send(RunCommand order);
  /// False: the line does not stand any more. What is asked before the first one does waits for it.
  /// `id`: of a request.
  bool pass_on(RunCommand order, RequestId id = 0);
  /// The oldest of that command, which is none any more; `command` is empty: the oldest.
  std::optional<Unconfirmed> take_confirmed(const std::string& command);
  void tell_failed(const Unconfirmed& order, const Error& error);
  void follow(Line& line);
  void take_event(const Json& json);
  void take_version(const Json& begun);
  void tell(SessionEvent event);
  void tell_end(RunEnded end);
  void tell_unkept(const Error& error);
  void end_by(const Error& error);
  void set_line(bool stands, const Error& why = {});
  void wait_before_next();
  void leave_as(Leaving how);

  const RunPlace place_;
  const std::string run_, client_;
  const std::optional<ElsewhereOrder> order_;
  const Host host_;
  std::unique_ptr<FollowedFiles> files_;  ///< of another machine's run; null: they are here

  std::mutex mutex_;  ///< of what follows, up to the empty line
  std::deque<std::string> to_send_;
  std::deque<Unconfirmed> unconfirmed_;
  std::set<RequestId> asked_;
  bool line_stands_ = false, has_stood_ = false;

  // Of the thread alone.
  bool known_ = false;  ///< it may have begun there
  bool attached_ = false, told_cut_ = false, told_unkept_ = false, ended_ = false;
  std::uint64_t last_ = 0;  ///< number of the last event
  std::size_t tries_ = 0;
  std::deque<Json> held_;  ///< events that wait for the files
  std::optional<RunEnded> end_;
  std::filesystem::path folder_;  ///< the run's, there

  std::mutex ending_;
  std::atomic<Leaving> leaving_{Leaving::No};
  Descriptor wakes_;
  std::thread thread_;
};

/// What ssh calls a machine: no option, and nothing that a shell or ssh would read otherwise.
Status check_host(const std::string& host);

}  // namespace luthier
