// SPDX-License-Identifier: GPL-3.0-or-later
// What the window and the command line both drive: commands in, events out, no torch header. One
// worker thread owns the model and everything made of tensors; a second one does what needs no
// model (checking data, previews); two more look for models on the machine and fetch one from a
// hub, which may take hours. Commands return at once; what comes of them arrives as events, which a
// host drains (the window ten times a second). The queue is bounded: metrics and partial answers
// may be merged, a change of state never.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/result.h"
#include "engine/batches/inspected_row.h"
#include "engine/compare/comparison.h"
#include "engine/compare/picture_attention.h"
#include "engine/compare/sample.h"
#include "engine/config/recipe.h"
#include "engine/config/stages.h"
#include "engine/data/dataset.h"
#include "engine/forecast/forecast.h"
#include "engine/forecast/method_table.h"
#include "engine/generate/generation_types.h"
#include "engine/hub/fetch.h"
#include "engine/hub/found.h"
#include "engine/lab/batch_look.h"
#include "engine/methods/arithmetic/combine_options.h"
#include "engine/methods/arithmetic/ranks.h"
#include "engine/models/model_summary.h"
#include "engine/models/two_towers/likeness_table.h"
#include "engine/runs/run_folder.h"
#include "engine/session/elsewhere/run_place.h"
#include "engine/session/exporting.h"
#include "engine/train/slow_step.h"
#include "engine/train/token_losses.h"

namespace luthier {

enum class SessionState {
  Empty,
  Loading,
  Ready,
  Preparing,
  Training,
  Pausing,
  Paused,
  Saving,
  Stopping
};

// What a state allows; every widget's enabled state comes from these.
bool can_load(SessionState state);            ///< Empty, Ready
bool can_cancel_loading(SessionState state);  ///< Loading
bool can_launch(SessionState state);  ///< Ready (Empty too: launching loads the recipe's model)
bool can_pause(SessionState state);   ///< Training
bool can_resume(SessionState state);  ///< Paused
bool can_stop(SessionState state);    ///< Preparing, Training, Pausing, Paused
bool can_answer(SessionState state);  ///< Ready, Training (between steps), Paused
std::string state_name(SessionState state);  ///< English, lower case: "training"

using RequestId = std::uint64_t;

enum class StopKind { Save, Discard };

/// Every sample with every column. A column is an attached adapter's name, or nullopt for the base
/// alone.
struct AnswerRequest {
  std::vector<Sample> samples;
  std::vector<std::optional<std::string>> columns;
  GenerationOptions options;
  /// Which stream of random draws each sample takes; empty: its index. So a sample that is asked
  /// alone gets the answer that it gets among the others.
  std::vector<std::uint64_t> draws = {};
};

/// One answer, and the columns (as above) that are asked about it.
struct AnswerQuestion {
  ForcedAnswer answer;
  std::vector<std::optional<std::string>> columns;
  std::size_t reference = 0;  ///< of the columns: divergences are from it
  std::size_t token = 0;      ///< of the answer, where attention is asked for
};

/// Adapters that become one: results as attach_adapter takes them, and how (methods/arithmetic).
/// One adapter with the weight 1 is taken as it is, whatever its method.
struct MergeRecipe {
  std::vector<std::filesystem::path> folders;
  CombineOptions how;
};

// Events.
struct StateChanged {
  SessionState state;
  std::string detail;
};
struct Progress {
  RequestId request;
  std::string what;
  double done;
  double total;
};
/// The state of Ready comes behind it, and with that what needs it (a launch).
struct ModelLoaded {
  ModelSummary summary;
  std::string device;
  std::string dtype;
  double seconds;
  std::string device_note = {};  ///< what a person should know of how it came to that device
};
/// `whole`: a whole checkpoint (a full or freeze run's result): loaded when asked, then let go.
struct AdapterAttached {
  std::string name;
  std::filesystem::path folder;
  std::uint64_t bytes = 0;
  std::int64_t parameters = 0;
  std::string summary;
  bool whole = false;
  MediaLimits pixels = {};  ///< that an adapter was trained under, and is asked with
};
struct AdapterDropped {
  std::string name;
};
struct RunStarted {
  std::filesystem::path folder;
  Recipe recipe;
  std::int64_t total_steps;
  std::int64_t first_step;
  double steps_per_epoch;
  std::int64_t trainable;
  std::int64_t parameters;
  MemoryForecast forecast;
  double learning_rate = 0;  ///< the peak rate in force, which may have been changed by hand
};
/// A run of stages comes to one of them; its RunStarted follows, and RunEnded comes at the end of
/// all.
struct StageBegan {
  std::vector<std::string> names;  ///< of all stages
  std::size_t index;               ///< from 0
  std::filesystem::path folder;    ///< of the whole run
  std::string start;               ///< what it starts from: base | adapter | merged | checkpoint
};
struct StepDone {
  MetricsLine line;
  double eta_seconds;
};
struct EvaluationDone {
  std::int64_t step;
  double eval_loss;
};
struct RunEventHappened {
  RunEvent event;
};
struct RunEnded {
  std::filesystem::path folder;
  std::string state;
  std::optional<Error> error;
  double seconds;
};
/// `final` = false while the answer still streams; the text so far is whole UTF-8. What a cancelled
/// request had not ended gets no final update: it is as if it had not been asked.
struct AnswerUpdate {
  RequestId request;
  std::size_t sample;
  std::size_t column;
  std::string text;
  std::vector<AnswerToken> tokens;
  double seconds;
  std::string finish;
  bool final;
};
/// What a reward model says of the answers of a comparison that came to their end.
struct AnswersScored {
  RequestId request;
  /// One a row and column; NaN: no answer, or none that it could judge.
  std::vector<std::vector<double>> rewards;
};
/// What every column makes of an answer that stands.
struct AnswerForced {
  RequestId request;
  ScoredAnswer answer;
};
/// Where every column looked when it came to one of its tokens.
struct AttentionFound {
  RequestId request;
  TokenAttention attention;
};
struct RequestDone {
  RequestId request;
  std::optional<Error> error;
  bool cancelled;
};
struct DataChecked {
  RequestId request;
  std::shared_ptr<const DatasetReport> report;  ///< large: a million rows may have a finding each
};
/// One row as the model gets it.
struct RowPreview {
  std::size_t row;
  Conversation conversation;
  std::vector<TokenId> ids;
  std::vector<std::string> pieces;
  std::vector<bool> trained;        ///< whether the token carries a loss, one a token
  std::vector<bool> image;          ///< whether it stands for a picture, one a token
  std::vector<std::size_t> begins;  ///< where each of the row's sequences begins among the tokens
  std::int64_t truncated_tokens;
  std::optional<Error> error;
};
struct RowsPreviewed {
  RequestId request;
  std::size_t total_rows;
  std::vector<RowPreview> rows;
};
struct ForecastMade {
  RequestId request;
  MemoryForecast forecast;
  std::int64_t trainable = 0;
};
struct MethodsTabled {
  RequestId request;
  MethodTable table;
};
struct OneStepTried {
  RequestId request;
  MemoryForecast forecast;
  MemoryParts measured;
  double step_seconds;
};
/// What adapters come to, before it answers.
struct MergeMade {
  RequestId request;
  std::string combination_type;  ///< as it was done
  std::int64_t rank = 0;         ///< of the result; 0: its method has none
  std::int64_t modules = 0;      ///< 0: one adapter, taken as it is
  std::vector<std::string> notes = {};
};
/// The merged weights' logits on probes against those with the adapter beside its base, of the
/// largest.
struct MergeProved {
  RequestId request;
  double difference = 0, limit = 0;
  std::optional<Error> refused = {};  ///< it cannot be merged into this base, or is over the limit
};
/// The resident base holds this merge, until it is undone.
struct BaseMerged {
  RequestId request;
  MergeRecipe recipe;
  double difference = 0, limit = 0;
  std::int64_t kept_bytes = 0;  ///< of the base's own weights, for undoing
};
struct MergeUndone {};  ///< the base's bytes are as they were
/// A folder was written: a combined adapter, or a merged checkpoint.
struct MergeWritten {
  RequestId request;
  std::filesystem::path folder;
  bool checkpoint = false;
  std::string sentence = {};           ///< of a checkpoint how near its answers are
  std::int64_t rank = 0, modules = 0;  ///< of an adapter
  std::vector<std::string> notes = {};
};
struct RanksFound {
  RequestId request;
  std::filesystem::path folder;  ///< the adapter's own
  AdapterRanks ranks;
};
/// A result was written for others.
struct Exported {
  RequestId request;
  ExportOutcome outcome;
};
struct RowInspected {
  RequestId request;
  InspectedRow row;
};
struct TokenLossesFound {
  RequestId request;
  TokenLosses losses;
  bool training = false;  ///< by the adapter that trains
};
struct SlowStepTaken {
  RequestId request;
  SlowStep step;
};
/// What a lab card's batch looks like, or what its result makes of it.
struct CardLooked {
  RequestId request;
  BatchLook look;
};
/// Rows of a picture and its text, or pictures and texts that are given by themselves.
struct LikenessRequest {
  std::vector<std::filesystem::path> rows;
  std::filesystem::path image_folder;
  std::size_t most = 64;  ///< rows
  PicturesAndTexts given;
  std::optional<std::string> column;  ///< an attached adapter or checkpoint; none: the base
};
/// How alike the loaded model finds pictures and texts.
struct LikenessFound {
  RequestId request;
  LikenessTable table;
  std::size_t left_out = 0;  ///< rows of the files beyond those that were asked for
};
struct ModelsFound {
  RequestId request;
  std::vector<FoundModel> models;
};
struct FetchProgressed {
  RequestId request;
  FetchProgress progress;
};
struct ModelFetched {
  RequestId request;
  FetchedModel model;
};
/// The card died under this program: no card is chosen any more, and a new start gets it back. Said
/// once, before the error that came of it.
struct DeviceLost {
  std::string why;
};
/// The line to a run elsewhere was cut (`why`), or stands again (none); the run itself goes on.
/// What it does meanwhile is told once the line stands.
struct LineChanged {
  RunPlace place;
  std::optional<Error> why;
};
/// A command that could not be done; `command` is its name ("load_model").
struct CommandFailed {
  std::string command;
  Error error;
};

using SessionEvent =
    std::variant<StateChanged, Progress, ModelLoaded, AdapterAttached, AdapterDropped, RunStarted,
                 StageBegan, StepDone, EvaluationDone, RunEventHappened, RunEnded, AnswerUpdate,
                 AnswersScored, AnswerForced, AttentionFound, RequestDone, DataChecked,
                 RowsPreviewed, ForecastMade, MethodsTabled, OneStepTried, MergeMade, MergeProved,
                 BaseMerged, MergeUndone, MergeWritten, RanksFound, Exported, RowInspected,
                 TokenLossesFound, SlowStepTaken, CardLooked, LikenessFound, ModelsFound,
                 FetchProgressed, ModelFetched, DeviceLost, LineChanged, CommandFailed>;

class Session {
 public:
  Session();
  ~Session();  ///< stops what runs here (a training run is saved) and joins
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void load_model(const std::filesystem::path& folder, const std::string& device = "auto",
                  const std::string& dtype = "auto");
  /// Loading (or about to): what is being read is dropped, and no model is loaded; a launch that is
  /// loading its model ends as stopped. No error follows.
  void cancel_loading();

  /// Trains by the recipe (loading its model if another or none is loaded). `resume_run`: as `train
  /// RECIPE --resume RUN`. So many held-out rows are answered at each evaluation, and their scores
  /// are figures of it ("eval_exact_match"); 0: none, or those of the run that goes on.
  /// `reward_program`: of the person's own, which this run may ask as the reward `program`
  /// (rewards/program_reward.h); it is run as they are, and ends with the run. Empty: none.
  void launch(const Recipe& recipe, const std::optional<std::filesystem::path>& resume_run = {},
              std::size_t held_out_answers = 0, const std::filesystem::path& reward_program = {});
  /// The same for stages, one after another; the run's folder is the whole one's.
  void launch_stages(const StagedRecipe& staged,
                     const std::optional<std::filesystem::path>& resume_run = {},
                     const std::filesystem::path& reward_program = {});
  /// Launches in a process of its own, here or on another machine, which goes on without this
  /// session. Its events and controls are those of a run here; requests that ask the adapter in
  /// training go there, with what else they ask. → the name that attach_run finds it by.
  std::string launch_elsewhere(const RunPlace& place, const ElsewhereOrder& order);
  /// Takes a run in hand that goes on there: all its events come, from its beginning.
  void attach_run(const RunPlace& place, const std::string& run);
  /// Lets go of a run elsewhere, which goes on: RunEnded says "running".
  void leave_run();
  /// The run in hand, where it is elsewhere.
  std::optional<RunElsewhere> run_elsewhere() const;
  void pause();
  void resume();
  void stop(StopKind kind);
  void save_now();
  void set_learning_rate(double learning_rate);
  /// One of live_settings() (runs/run_edits.h) from the next step on: "max_grad_norm".
  void edit_run(const std::string& setting, double value);
  /// One step on the longest row, nothing written: what memory it really takes.
  RequestId try_one_step(const Recipe& recipe, const std::filesystem::path& reward_program = {});

  /// A PEFT folder, a whole checkpoint, or a run that holds either (compare/result_folder.h). The
  /// names "base" and "training" are taken.
  void attach_adapter(const std::string& name, const std::filesystem::path& folder);
  void drop_adapter(const std::string& name);
  void set_adapter_strength(const std::string& name, double strength);  ///< 1 = as trained
  RequestId answer(AnswerRequest request);

  /// The rewards of a comparison's answers by a reward model that a run has left: its adapter over
  /// the resident base's checkpoint, or its own, as attach_adapter takes them. It stands in memory
  /// beside the base for as long as that takes.
  RequestId score_answers(Comparison comparison, const std::filesystem::path& reward_model);

  /// How likely each column holds each token of an answer that stands.
  RequestId force_answer(AnswerQuestion question);
  /// Where each column looked when it came to the question's token.
  RequestId find_attention(AnswerQuestion question);

  /// The merge is made in memory, answers every sample (as one column; the request's own are not
  /// looked at), and proves itself. A newer one takes the place of those that wait or are at work.
  RequestId answer_merged(MergeRecipe recipe, AnswerRequest request);
  /// Into the resident base, until it is undone, a run is launched or another model loaded.
  RequestId merge_into_base(MergeRecipe recipe);
  void undo_merge();
  /// The combined adapter as a PEFT folder, new or empty.
  RequestId save_combined(MergeRecipe recipe, const std::filesystem::path& out);
  /// The resident base's checkpoint with the merge in it, as a folder, new or empty.
  RequestId write_merged(MergeRecipe recipe, const std::filesystem::path& out);
  /// What of its rank an adapter uses, also while a run trains.
  RequestId find_ranks(const std::filesystem::path& folder);

  /// A result for others: a checkpoint, a PEFT folder, GGUF. While no run is in hand.
  RequestId export_result(ExportRequest request);

  RequestId check_data(const Recipe& recipe);
  RequestId preview_rows(const Recipe& recipe, std::size_t first, std::size_t count);
  /// One row down to pixels and positions; `row` counts from 0.
  RequestId inspect_row(const Recipe& recipe, std::size_t row);
  /// What each of the row's tokens costs by the loaded model, with the adapter that trains on it;
  /// between the steps of a run too.
  RequestId find_token_losses(const Recipe& recipe, std::size_t row);
  /// One step on one row taken apart, by an adapter that is let go of afterwards.
  RequestId take_slow_step(const Recipe& recipe, const SlowStepRequest& request);
  /// A prepared card's first held-out rows (lab/batch_look.h), by a model of its own; between the
  /// steps of a run too.
  RequestId look_at_card(const std::filesystem::path& folder, const LookOrder& order);
  /// How alike a model of two towers finds pictures and texts; between the steps of a run too.
  RequestId find_likeness(LikenessRequest request);
  /// Forecast for these settings (reads lengths of the dataset once, then answers from memory).
  RequestId forecast(const Recipe& recipe);
  /// Every method by these settings for the recipe's model, of which a config.json is enough.
  /// `four_bits_beside`: as method_choices has it.
  RequestId table_methods(const Recipe& recipe, bool four_bits_beside);
  /// The hub's cache and these folders (engine/hub/found.h); no network.
  RequestId find_models(std::vector<std::filesystem::path> folders);
  /// Downloads a repository from the hub that the environment names (engine/hub/fetch.h): only ever
  /// on the user's own click.
  RequestId fetch_model(const std::string& repository, const std::string& revision);
  /// The same of a dataset; ModelFetched names its folder.
  RequestId fetch_dataset(const std::string& repository, const std::string& revision);
  void cancel(RequestId request);

  SessionState state() const;
  /// A run is in hand: from its launch until the next one can be launched.
  bool has_run() const;
  /// All events since the last call, oldest first.
  std::vector<SessionEvent> drain();
  /// Blocks until there is an event or `seconds` passed (for hosts without an event loop).
  bool wait(double seconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace luthier
