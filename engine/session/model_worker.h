// SPDX-License-Identifier: GPL-3.0-or-later
// What the session's worker thread does with the one resident model: load, train, answer, attach
// adapters, try a step. Its members are touched by that thread alone.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/generate/generate.h"
#include "engine/methods/adapter.h"
#include "engine/methods/resident_merge.h"
#include "engine/models/loaded_model.h"
#include "engine/session/job_thread.h"
#include "engine/session/run_observer.h"

namespace luthier {

/// The column name that stands for the adapter in training.
inline constexpr const char* kTrainingColumn = "training";

struct StageRun;

class ModelWorker {
 public:
  struct Host {
    std::function<void(SessionEvent)> emit;
    std::function<void(SessionState, const std::string&)> set_state;
    std::function<bool()> run_between;    ///< waiting answers; true if one ran
    std::function<bool()> waits_between;  ///< whether one waits
    const Cancellations* cancellations = nullptr;
  };
  explicit ModelWorker(Host host) : host_(std::move(host)) {}

  /// Whether the loading in hand is to end; asked between pieces.
  using Cancelled = std::function<bool()>;

  Status load(const std::filesystem::path& folder, LoadOptions options, const Cancelled& cancelled);
  Status unload();
  /// A run in another process of this machine begins: a card is its alone.
  void step_aside();
  /// It has ended: what was resident is again, and the state is what there is.
  Status come_back();
  /// What is said of a run at its start beside its recipe, as Session::launch has it.
  struct RunStart {
    std::optional<std::filesystem::path> resume_run;
    std::size_t held_out_answers = 0;
    std::filesystem::path reward_program;
  };
  Status train(const Recipe& recipe, const RunStart& start, TrainControl& control,
               const Cancelled& cancelled);
  /// Stages one after another; what they leave resident is what a single run does.
  Status train_stages(const StagedRecipe& staged, const RunStart& start, TrainControl& control,
                      const Cancelled& cancelled);
  Status try_one_step(const Recipe& recipe, RequestId request, const Cancelled& cancelled);
  Status attach(const std::string& name, const std::filesystem::path& folder);
  Status drop(const std::string& name);
  Status set_strength(const std::string& name, double strength);
  Status answer(const AnswerRequest& asked, RequestId request);
  /// What the reward model in `folder` says of a comparison's answers (scoring.cpp).
  Status score_answers(Comparison asked, const std::filesystem::path& folder, RequestId request);
  // One answer under every column (examining.cpp).
  Status force_answer(const AnswerQuestion& asked, RequestId request);
  Status find_attention(const AnswerQuestion& asked, RequestId request);
  // Merging (merging.cpp).
  Status answer_merged(const MergeRecipe& recipe, AnswerRequest asked, RequestId request);
  Status merge_into_base(const MergeRecipe& recipe, RequestId request);
  Status undo_merge();
  Status save_combined(const MergeRecipe& recipe, const std::filesystem::path& out,
                       RequestId request);
  Status write_merged(const MergeRecipe& recipe, const std::filesystem::path& out,
                      RequestId request);
  Status find_ranks(const std::filesystem::path& folder, RequestId request);
  // For others to look at (showing.cpp).
  Status export_for_others(const ExportRequest& asked, RequestId request);
  Status find_token_losses(const Recipe& recipe, std::size_t row, RequestId request);
  Status take_slow_step(const Recipe& recipe, const SlowStepRequest& asked, RequestId request);
  Status look_at_card(const std::filesystem::path& folder, LookOrder order, RequestId request);
  Status find_likeness(const LikenessRequest& asked, RequestId request);
  /// Says once that the device was lost, where it was.
  void tell_loss();

 private:
  struct Attached {
    std::filesystem::path folder;
    std::shared_ptr<Adapter> adapter;  ///< null: a whole checkpoint, loaded when it is asked
  };
  struct Asking;  ///< one request that is being answered
  struct Merge;   ///< an adapter that several came to
  class Observer;

  void let_go();  ///< of the model and what hangs on it
  SessionState resting() const { return base_ ? SessionState::Ready : SessionState::Empty; }
  Status need_base() const;
  Result<Merge> make_merge(const MergeRecipe& recipe);
  Status need_plain_base() const;  ///< one that holds no merge
  /// The base and adapters on it: the columns at these places, together.
  Status answer_by_base(Asking& asking, const std::vector<std::size_t>& places);
  /// Lets `work` ask each column of a question as itself: work(door, go_on).
  template <class Work>
  Status examine(const AnswerQuestion& asked, RequestId request, const Work& work);
  /// Each of the columns in turn, as what it is: see ColumnDoor.
  Status as_column(const std::optional<std::string>& name, RequestId request,
                   const std::function<Status(const LoadedModel&, const ChatProcessor&)>& work);
  /// By the checkpoint in `folder`, which stands in memory only for as long as that takes.
  Status answer_by_checkpoint(Asking& asking, std::size_t column,
                              const std::filesystem::path& folder);
  /// False: the request was cancelled.
  bool tell_answer(Asking& asking, std::size_t column, std::size_t sample, const Generated& answer);
  /// The recipe's model resident, loaded as it says.
  Status load_for(const Recipe& recipe, const Cancelled& cancelled);
  /// The resident model's pictures under these limits from now on.
  Status set_pixels(const MediaLimits& pixels);
  /// Pictures as the column's adapter was trained with them; null stands for the base.
  Result<std::shared_ptr<const ChatProcessor>> column_processor(const Adapter* adapter) const;
  Result<std::shared_ptr<Adapter>> column_adapter(const std::string& name) const;
  /// Does `work`, which trains in `folder`, tells how it ended, and puts the session back: what
  /// was resident before (else `recipe`'s model) is read again where `changes_base` says so.
  Status with_base(const Recipe& recipe, const std::function<bool()>& changes_base,
                   const Cancelled& cancelled, const std::function<Result<RunResult>()>& work,
                   const std::filesystem::path& folder);
  Result<RunResult> run_training(const Recipe& recipe,
                                 const std::optional<std::filesystem::path>& resume_run,
                                 std::size_t held_out_answers, TrainControl& control,
                                 const Cancelled& cancelled, const StageRun* stage = nullptr);

  Host host_;
  std::unique_ptr<LoadedModel> base_;
  LoadOptions base_options_;
  /// What was resident on a card that another process has meanwhile.
  std::optional<std::pair<std::filesystem::path, LoadOptions>> aside_;
  std::map<std::string, Attached> attached_;
  std::optional<ResidentMerge> merged_;  ///< stands in the base
  MediaLimits merged_pixels_;            ///< that its adapter was trained under
  std::shared_ptr<Adapter> live_;        ///< in training
  bool loss_told_ = false;
};

}  // namespace luthier
