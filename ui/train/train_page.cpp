// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Train page and what it says about launching and ending.
#include "ui/train/train_page.h"

#include <QTabWidget>
#include <QVBoxLayout>

#include "engine/config/watch_fields.h"
#include "engine/runs/elsewhere/followed_files.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/train/ask_panel.h"
#include "ui/train/filmstrip.h"
#include "ui/train/forecast_card.h"
#include "ui/train/live_settings.h"
#include "ui/train/recipe_form.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_log.h"
#include "ui/train/run_views.h"
#include "ui/train/stages_strip.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

// What the page's message is about: it goes when that does.
const QString kAboutLaunch = QStringLiteral("launch");
const QString kAboutEnd = QStringLiteral("end");
const QString kAboutRate = QStringLiteral("rate");
const QString kAboutCommand = QStringLiteral("command");
const QString kAboutRecipe = QStringLiteral("recipe");
const QString kAboutLine = QStringLiteral("line");
constexpr int kSettingsWidth = 388;
constexpr int kTabsHeight = 240;    // room for the filmstrip's rows
constexpr int kRoomForSmall = 640;  // with what is under them: below it memory could not be read

}  // namespace

TrainPage::TrainPage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  auto* layout = make_layout();
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  splitter_ = new Splitter(Qt::Horizontal, this);
  splitter_->addWidget(make_settings());
  splitter_->addWidget(make_run());
  splitter_->setStretchFactor(0, 0);
  splitter_->setStretchFactor(1, 1);
  splitter_->setSizes({392, 760});
  layout->addWidget(splitter_, 1);
  banner_->float_over(splitter_->widget(1));

  connect(&workspace, &Workspace::launch_refused, this, &TrainPage::refuse);
  connect(&workspace, &Workspace::field_refused, this, &TrainPage::refuse);
  connect(&workspace, &Workspace::run_started, this, &TrainPage::start_run);
  connect(&workspace, &Workspace::run_grew, this, &TrainPage::follow_run);
  connect(&workspace, &Workspace::run_history_read, this, [this] {
    curves_->series().clear();
    follow_run();
  });
  connect(&workspace, &Workspace::run_ended, this, &TrainPage::end_run);
  // A message goes with its cause: settings that were changed, a model that was loaded.
  const auto other_settings = [this] {
    banner_->dismiss_about(kAboutLaunch);
    banner_->dismiss_about(kAboutRecipe);
  };
  connect(&workspace, &Workspace::recipe_changed, this, other_settings);
  connect(&workspace, &Workspace::faults_changed, this, other_settings);
  connect(&workspace, &Workspace::model_changed, this, [this, other_settings] {
    const auto& model = this->workspace().model();
    if (!model) return;
    // The base is loaded again after a refusal that came late: what was said of a setting stays.
    if (!refused_setting_) other_settings();
    std::error_code ignored;
    if (!std::filesystem::equivalent(model->summary.folder, run_model_, ignored))
      banner_->dismiss_about(kAboutEnd);
  });
  connect(&bridge(), &SessionBridge::run_event, this, [this](const RunEvent& event) {
    if (event.kind != "alarm") return;
    banner_->show_text(Banner::Kind::Warning, said_text(event.detail));
    emit waits();
  });
  connect(&bridge(), &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    const QString command = QString::fromStdString(event.command);
    static const QStringList mine{QStringLiteral("pause"), QStringLiteral("resume"),
                                  QStringLiteral("stop"), QStringLiteral("save_now"),
                                  QStringLiteral("fetch")};
    if (command == QLatin1String("attach")) return banner_->show_error(event.error);
    const std::string changed =
        command.startsWith(QLatin1String("set_")) ? command.mid(4).toStdString() : std::string();
    if (!mine.contains(command) && !is_live_setting(changed)) return;
    live_->take_back(changed);
    banner_->show_error(event.error);
    banner_->set_about(kAboutCommand);
  });
  connect(&bridge(), &SessionBridge::line_changed, this, &TrainPage::show_line);
  connect(&bridge(), &SessionBridge::state_changed, this, [this] {
    banner_->dismiss_about(kAboutCommand);
    refresh();
  });
  refresh();
}

QWidget* TrainPage::make_settings() {
  auto* left = new QWidget(this);
  auto* layout = new QVBoxLayout(left);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(8);
  auto* card = new Card(left);
  auto* form = new RecipeForm(workspace(), card);
  connect(form, &RecipeForm::said, this, [this](const QString& text) {
    banner_->show_text(Banner::Kind::Info, text);
    banner_->set_about(kAboutRecipe);
  });
  connect(form, &RecipeForm::failed, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutRecipe);
  });
  card->body()->addWidget(form);
  layout->addWidget(card, 1);
  layout->addWidget(make_live_line());
  layout->addWidget(new ForecastCard(workspace(), left));
  const auto size = [left] { left->setMinimumWidth(scaled_length(kSettingsWidth)); };
  size();
  connect(&Theme::instance(), &Theme::changed, left, size);  // with the size of words
  return left;
}

QWidget* TrainPage::make_live_line() {
  live_ = new LiveSettings(workspace(), this);
  connect(live_, &LiveSettings::refused, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutRate);
  });
  connect(live_, &LiveSettings::fine, this, [this] { banner_->dismiss_about(kAboutRate); });
  return live_;
}

QWidget* TrainPage::make_run() {
  auto* right = new QWidget(this);
  auto* layout = new QVBoxLayout(right);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(new StagesStrip(workspace(), right));
  views_ = new RunViews(right);
  curves_ = views_->curves();
  connect(views_, &RunViews::failed, this,
          [this](const Error& error) { banner_->show_error(error); });
  tabs_ = new QTabWidget;
  tabs_->setObjectName(QStringLiteral("runTabs"));
  tabs_->setDocumentMode(true);
  tabs_->addTab(new StepLog(workspace(), tabs_), QString());
  tabs_->addTab(new EventTable(workspace(), tabs_), QString());
  tabs_->addTab(new AskPanel(workspace(), tabs_), QString());
  tabs_->addTab(views_->strip(), QString());
  tabs_->setMinimumHeight(112);
  curves_->splitter()->addWidget(tabs_);
  curves_->splitter()->setStretchFactor(curves_->splitter()->indexOf(tabs_), 4);
  curves_->set_room_for_small(kRoomForSmall, kTabsHeight);
  layout->addWidget(views_);
  on_language(tabs_, [this] {
    tabs_->setTabText(0, tr("Log"));
    tabs_->setTabText(1, tr("Events"));
    tabs_->setTabText(2, tr("Samples"));
    tabs_->setTabText(3, tr("Filmstrip"));
  });
  return right;
}

void TrainPage::start_run() {
  banner_->dismiss();
  live_->restart();
  curves_->series().clear();
  follow_run();
  const RunStarted& started = workspace().run()->started;
  views_->set_run(started.folder, started.recipe);
  views_->follow(true);
  if (!sample_files(started.recipe).empty()) tabs_->setCurrentWidget(views_->strip());
}

void TrainPage::show_line(const LineChanged& event) {
  banner_->dismiss_about(kAboutLine);
  if (!event.why) return;
  banner_->show_text(Banner::Kind::Warning,
                     error_text(*event.why) + QLatin1Char('\n') +
                         tr("The run goes on there. The line is tried again, and nothing that "
                            "happens meanwhile is missed."));
  banner_->set_about(kAboutLine);
}

void TrainPage::end_run(const RunEnded& event) {
  views_->follow(false);
  const auto& model = workspace().model();
  // Behind stages over merged models the first one's base is loaded again.
  const auto staged = workspace().staged();
  run_model_ = staged  ? std::filesystem::path(staged->stages.front().recipe.model)
               : model ? model->summary.folder
                       : std::filesystem::path();
  if (event.error) {
    banner_->show_error(*event.error);
    const auto there = summarize_run(event.folder);
    const QString again = there ? path_text(event.folder) : QString();
    // What is followed from another machine has its checkpoints there.
    const bool goes_on =
        there && (there->newest_checkpoint ||
                  (read_mirrored(event.folder) && there->manifest.state != RunState::Finished));
    if (!offer_anew(banner_, again) && goes_on)
      banner_->offer(tr("Resume that run"),
                     [this, folder = path_text(event.folder)] { workspace().resume_run(folder); });
  } else if (event.state == run_state_name(RunState::Running)) {
    banner_->show_text(Banner::Kind::Info,
                       tr("The run goes on without this window. The Start page finds it again."));
  } else {
    const QString state = state_text(event.state);
    banner_->show_text(Banner::Kind::Info, tr("The run in %1 is %2, after %3.")
                                               .arg(shown_path(path_text(event.folder)), state,
                                                    duration_text(event.seconds)));
    if (event.state == "finished")
      banner_->offer(tr("Compare it"), [this, folder = path_text(event.folder)] {
        workspace().attach_adapter(folder);
        emit go_to(PageId::Compare);
      });
  }
  banner_->set_about(kAboutEnd);
  emit waits();
}

void TrainPage::refresh() {
  const SessionState state = workspace().state();
  const bool active = can_pause(state) || can_resume(state) || state == SessionState::Pausing;
  live_->setVisible(active);
  if (!active) banner_->dismiss_about(kAboutRate);
}

void TrainPage::follow_run() {
  const auto& run = workspace().run();
  if (!run) return;
  if (curves_->series().size() != 1) curves_->series().assign(1, {});
  follow_live(*run, curves_->series().front());
  curves_->changed();
  live_->show_values();
}

void TrainPage::refuse(const Error& error) {
  const QString folder = QString::fromStdString(workspace().recipe().output_dir);
  const auto same = [](const std::string& a, const std::string& b) {
    return std::filesystem::path(a).lexically_normal() ==
           std::filesystem::path(b).lexically_normal();
  };
  const auto there = folder.isEmpty() || !same(error.where, folder.toStdString())
                         ? std::nullopt
                         : std::optional(summarize_run(to_path(folder)));
  const std::string key = field_of(error);
  refused_setting_ = !key.empty() && key != "model";
  if (!there || !*there || (*there)->active) {
    banner_->show_error(error);
    offer_anew(banner_);
    banner_->set_about(kAboutLaunch);
    return;
  }
  // The usual refusal: the folder holds a run already. To go on with it, or the next free name, is
  // one click away.
  const RunSummary& run = **there;
  const QString free = workspace().free_run_folder(folder);
  const auto launch_free = [this, free] {
    if (workspace().set_field("output_dir", free.toStdString())) workspace().launch();
  };
  if (run.manifest.state == RunState::Finished) {
    banner_->show_text(Banner::Kind::Error, tr("%1 holds a finished run.").arg(folder));
  } else if (run.newest_checkpoint) {
    banner_->show_text(
        Banner::Kind::Error,
        tr("%1 holds a run that can go on from step %2. These settings were not used.")
            .arg(folder)
            .arg(*run.newest_checkpoint));
    banner_->offer(tr("Resume that run"), [this, folder] { workspace().resume_run(folder); });
  } else {
    banner_->show_error(error);
  }
  banner_->offer(tr("Launch into %1").arg(free), launch_free);
  banner_->set_about(kAboutLaunch);
}

}  // namespace luthier
