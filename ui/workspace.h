// SPDX-License-Identifier: GPL-3.0-or-later
// What the pages share: the recipe being edited, the loaded model, attached adapters, the newest
// forecast and the live run. One place changes the recipe, so every form, tree and forecast follows
// the same signal.
#pragma once

#include <QObject>
#include <QStringList>
#include <QTimer>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/config/stages.h"
#include "ui/session_bridge.h"

namespace luthier {

class RecipeHistory;
class RunQueue;
class SampleSource;

/// All that the form edits, as it stood at one moment.
struct RecipeSnapshot {
  Recipe recipe;
  QString file;
  std::optional<StagedRecipe> staged;  ///< with what the form showed in its place
  std::size_t stage_shown = 0;
};

struct AttachedAdapter {
  std::string name;
  std::filesystem::path folder;
  std::uint64_t bytes = 0;
  std::int64_t parameters = 0;
  std::string summary;
  bool whole = false;  ///< a whole checkpoint, loaded when it is asked; it has no strength
  double strength = 1;
  MediaLimits pixels = {};  ///< that an adapter is asked with
};

/// A field whose editor shows what cannot be used.
struct FieldFault {
  std::string key;
  QString text;  ///< as it stands in the editor
  Error error;
};

/// The run that trains now, or the last one that did.
struct LiveRun {
  RunStarted started;
  std::vector<MetricsLine>
      lines;  ///< every logged step, oldest first; of a resumed run also those from before
  std::vector<RunEvent> events;
  double rate = 0;                                           ///< the peak rate in force
  std::vector<std::pair<std::int64_t, double>> evaluations;  ///< step, loss
  double eta_seconds = 0;
  bool ended = false;
  std::string end_state;
};

/// Where runs go that are launched from now on.
struct RunsWhere {
  enum class Kind { Window, Process, Host } kind = Kind::Window;
  QString host, folder;  ///< Host: what ssh calls it, and where paths begin there
};

/// A run that goes on in a process of its own, or that was last known to on another machine.
struct FoundElsewhere {
  RunPlace place;
  std::string run;
  QString name;                  ///< of its folder
  std::filesystem::path output;  ///< this folder, where it is on this machine
};

/// A stage as the strip has it.
struct StageShown {
  enum class State { Waiting, Running, Done };
  QString name;
  State state = State::Waiting;
  bool in_form = false;   ///< the form shows its settings
  bool can_show = false;  ///< it could
};

class Workspace : public QObject {
  Q_OBJECT

 public:
  explicit Workspace(QObject* parent = nullptr);

  SessionBridge& bridge() { return bridge_; }
  Session& session() { return bridge_.session(); }
  SessionState state() const { return bridge_.state(); }

  // The recipe.
  const Recipe& recipe() const { return recipe_; }
  const QString& recipe_file() const { return recipe_file_; }
  /// Changes one field by its text; an error leaves the recipe as it was.
  Status set_field(const std::string& key, const std::string& value);
  /// The same for what a person types: what cannot be used is kept as the field's fault, and
  /// nothing uses the recipe until it is mended.
  Status edit_field(const std::string& key, const std::string& value);
  /// Fields that show something else than the recipe holds, in the form's order.
  const std::vector<FieldFault>& faults() const { return faults_; }
  const FieldFault* fault_of(const std::string& key) const;
  /// True, and said by field_refused and field_wanted, when there is a fault: the recipe is not
  /// what is shown.
  bool refuse_faults();
  void replace_recipe(const Recipe& recipe, const QString& file = {});
  Status open_recipe(const QString& file);
  /// Writes the recipe as YAML.
  Status save_recipe(const QString& file);
  /// All settings but model, data and run folder back to their defaults.
  void reset_recipe();
  RecipeSnapshot snapshot() const;
  /// The form shows what it showed then; fields at fault show what the recipe holds.
  void go_back_to(const RecipeSnapshot& then);
  /// Undo and redo of what was changed in the recipe.
  RecipeHistory& history() { return *history_; }
  /// Recipe files that were opened or written, the newest first.
  QStringList recent_recipes() const;
  /// Folders that runs were launched into, the newest first.
  QStringList recent_run_folders() const;
  /// Settings that differ from their defaults (model, data and run folder not counted). Another
  /// method than the default one counts; what follows from it does not.
  std::vector<FieldDifference> changed_fields() const;
  /// Whether the loaded model has what the setting is about: pictures, or the part that it keeps
  /// fixed. True where another model is loaded than the recipe names, or none.
  bool model_has(const std::string& key) const;
  /// The text of a field's default, which may depend on the method.
  QString default_of(const std::string& key) const;

  /// A program of the person's own that judges answers where a recipe asks for one: of the runs
  /// that are started from now on. It is in no recipe and no setting, and empty until it is chosen.
  const QString& reward_program() const { return reward_program_; }
  /// The recipe's judges name it then, or no more.
  void set_reward_program(const QString& path);
  /// As a start of this recipe names it; empty where the recipe does not ask for it.
  std::filesystem::path program_for(const Recipe& recipe) const;

  // Stages.
  /// Of the run in hand, else of the recipe; empty: it has none.
  std::vector<StageShown> stages() const;
  /// Where those of the newest run of stages are; empty: there is none.
  std::filesystem::path stages_folder() const {
    return stage_ ? stage_->folder : std::filesystem::path();
  }
  /// The recipe's, with what the form shows in its place; nullopt: it has none.
  std::optional<StagedRecipe> staged() const;
  /// The form shows the settings of another stage of the recipe; those it showed are kept.
  void show_stage(std::size_t index);

  // The model.
  const std::optional<ModelLoaded>& model() const { return model_; }
  void load_model(const QString& folder);
  /// Ends what is being loaded, also for a launch, which then comes to nothing.
  void cancel_loading();
  QStringList recent_models() const;
  /// Folders that the user added to the list of what is on the machine: checkpoints, or folders of
  /// checkpoints.
  QStringList added_models() const;
  void add_models(const QString& folder);
  /// Takes a folder out of the recent and the added ones.
  void forget_models(const QString& folder);

  // Adapters on the resident base.
  const std::vector<AttachedAdapter>& adapters() const { return adapters_; }
  /// A column beside the base: an adapter's folder, a whole checkpoint's, or a run's with a result.
  void attach_adapter(const QString& folder);
  /// The names a question goes to beside the base: the adapter in training, or else those attached.
  std::vector<std::string> columns_to_ask() const;
  void set_strength(const std::string& name, double strength);

  /// What adapters are judged by.
  SampleSource& samples() { return *samples_; }
  /// The merge that stands in the resident base.
  const std::optional<BaseMerged>& merged() const { return merged_; }

  // The card.
  /// It died under this program, and only a new start gets it back.
  bool device_lost() const { return device_lost_; }
  /// Says anew_asked: the program starts anew with this run to go on with, else with the model.
  void start_anew(const QString& run);

  // Forecast and run.
  const std::optional<ForecastMade>& forecast() const { return forecast_; }
  /// Empty where there is none.
  QString forecast_error() const;
  /// The forecast is of the recipe as it stands, and not of an older one while the new one is being
  /// made.
  bool forecast_is_current() const;
  const std::unique_ptr<LiveRun>& run() const { return run_; }
  /// Launches the recipe as it stands; says launch_refused when it cannot.
  void launch();
  /// Launches another recipe than the form's. False, and nothing happens, while that is not
  /// possible. `held_out_answers`: as Session::launch has it.
  bool launch_recipe(const Recipe& recipe, std::size_t held_out_answers = 0);
  /// The same of stages, into their own output_dir.
  bool launch_stages(const StagedRecipe& staged);
  /// Runs that are launched one after another.
  RunQueue& queue() { return *queue_; }
  void resume_run(const QString& folder);

  // Elsewhere.
  const RunsWhere& where() const { return where_; }
  void set_where(const RunsWhere& where);
  /// What goes on and is in no window's hand that is known of; `then` gets it in a moment.
  void find_elsewhere(QObject* asker, std::function<void(std::vector<FoundElsewhere>)> then);
  /// Takes a run in hand that goes on elsewhere. Nothing happens while that is not possible.
  void attach_run(const FoundElsewhere& found);
  /// Where the run in hand is, in words; empty: in this window.
  QString place_of_run() const;
  /// Looks beside the recipe's run folder and where runs were launched before, and says
  /// interrupted_found when one can be resumed.
  void find_interrupted();
  /// This run is not offered again, unless it goes on meanwhile.
  void decline_interrupted(const RunSummary& run);
  /// "runs/first" → "runs/first-2", the next name with no folder yet.
  QString free_run_folder(const QString& wanted) const;

 signals:
  void recipe_changed();
  void faults_changed();
  /// The recipe was not used for what was asked, because a field is at fault; field_wanted says
  /// which.
  void field_refused(const luthier::Error& error);
  void field_wanted(const std::string& key);
  void model_changed();
  void adapters_changed();
  void merged_changed();
  void forecast_changed();
  void stages_changed();
  void run_started();
  void run_grew();          ///< lines, events or evaluations were added
  void run_history_read();  ///< of a resumed run: what was before now stands in front of its lines
                            ///< and events
  void run_ended(const luthier::RunEnded& event);
  /// A launch came to nothing: settings, folder, data or model are at fault, and no step was made.
  void launch_refused(const luthier::Error& error);
  void interrupted_found(const luthier::RunSummary& run);
  /// Whoever runs the program is to start it anew. One of the two is empty, or both.
  void anew_asked(const QString& run, const QString& model);

 private:
  void connect_bridge();
  void connect_run();
  void drop_faults(const std::function<bool(const FieldFault&)>& which);
  /// Reads what a resumed run wrote before, in a thread.
  void read_history();
  void show_recipe(const Recipe& recipe, const QString& file);
  void set_staged(const StagedRecipe& staged, const QString& file);
  void show_stage_recipe(const QString& file);
  /// False: the recipe has no stages.
  bool launch_staged(const std::optional<std::filesystem::path>& resume);
  /// False: the folder is no run of stages, nor in one.
  bool resume_stages(const QString& folder);
  /// False: it is to be in this window.
  bool launch_elsewhere(const std::string& yaml, const std::optional<std::filesystem::path>& resume,
                        const std::filesystem::path& program);
  void connect_elsewhere();
  void ask_forecast();
  void forecast_failed(const Error& error);
  static void remember_recipe(const QString& file);

  SessionBridge bridge_;
  bool device_lost_ = false;
  QString last_model_;  ///< the folder that was loaded last
  Recipe recipe_;
  QString recipe_file_;
  QString reward_program_;
  std::optional<StagedRecipe> staged_;
  std::size_t stage_shown_ = 0;
  std::optional<StageBegan> stage_;  ///< of the newest run, where it has stages
  std::vector<FieldFault> faults_;
  std::optional<ModelLoaded> model_;
  std::vector<AttachedAdapter> adapters_;
  QStringList attaching_;  ///< names that were asked for and did not come yet
  std::optional<ForecastMade> forecast_;
  std::optional<Error> forecast_error_;
  std::string forecast_asked_, forecast_of_;  ///< recipes, as YAML
  RequestId forecast_request_ = 0;
  QTimer forecast_timer_;
  std::unique_ptr<LiveRun> run_;
  bool launching_ = false;
  RunsWhere where_;
  std::string far_run_;  ///< name of the run elsewhere that is in hand
  SampleSource* samples_;
  std::optional<BaseMerged> merged_;
  RunQueue* queue_;
  RecipeHistory* history_;
};

/// The column that asks the adapter in training.
inline constexpr const char* kTrainingColumn = "training";

/// Defaults of a strategy, as a recipe file that names nothing else would give them.
Recipe default_recipe(const Recipe& kinds);

}  // namespace luthier
