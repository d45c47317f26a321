// SPDX-License-Identifier: GPL-3.0-or-later
// The dialog holds up nothing: checkpoints are copied in another thread.
#include "ui/runs/fork_dialog.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QVBoxLayout>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/runs/setting_rows.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

/// What a fork can have otherwise: not what its weights are.
bool can_fork_otherwise(const FieldDescription& field) {
  const std::string& key = field.key;
  return key != "strategy" && key != "objective" && key != "init" && key != "model" &&
         key != "output_dir" && key != "training.dtype" && !key.starts_with("freeze.") &&
         !key.starts_with("adapter.");
}

}  // namespace

ForkDialog::ForkDialog(Workspace& workspace, Kind kind, const std::filesystem::path& parent_run,
                       const Recipe& recipe, QWidget* parent)
    : QDialog(parent), workspace_(workspace), kind_(kind), run_(parent_run), recipe_(recipe) {
  setObjectName(QStringLiteral("forkDialog"));
  setAttribute(Qt::WA_DeleteOnClose);
  const bool forks = kind_ == Kind::Fork;
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 20, 24, 20);
  layout->setSpacing(12);
  title_ = text_label(this, true);
  title_->setFont(scaled_font(1.2, true));
  layout->addWidget(title_);
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* form = new QFormLayout;
  form->setSpacing(8);
  name_label_ = new QLabel(this);
  name_ = new QLineEdit(this);
  name_->setObjectName(QStringLiteral("forkName"));
  name_->setMinimumWidth(320);
  const QString wanted =
      path_text(run_) + (forks ? QStringLiteral("-fork") : QStringLiteral("-more"));
  name_->setText(path_text(to_path(workspace_.free_run_folder(wanted)).filename()));
  name_label_->setBuddy(name_);
  form->addRow(name_label_, name_);
  step_label_ = new QLabel(this);
  step_ = new QComboBox(this);
  step_->setObjectName(QStringLiteral("forkStep"));
  more_ = new QSpinBox(this);
  more_->setObjectName(QStringLiteral("moreSteps"));
  more_->setRange(1, 100'000'000);
  if (const auto run = RunFolder::open(run_)) {
    if (const auto manifest = run->read_manifest()) manifest_ = *manifest;
    for (const Checkpoint& each : run->checkpoints())
      step_->insertItem(0, QString::number(each.step), QVariant::fromValue<qlonglong>(each.step));
  }
  step_->setCurrentIndex(0);
  more_->setValue(static_cast<int>(std::clamp<std::int64_t>(manifest_.total_steps, 1, 100'000)));
  QWidget* count = forks ? static_cast<QWidget*>(step_) : more_;
  step_label_->setBuddy(count);
  form->addRow(step_label_, count);
  (forks ? static_cast<QWidget*>(more_) : step_)->hide();
  layout->addLayout(form);
  carry_ = new QCheckBox(this);
  carry_->setObjectName(QStringLiteral("forkCarry"));
  carry_->setChecked(true);
  carry_->setVisible(forks);
  layout->addWidget(carry_);
  settings_label_ = new QLabel(this);
  layout->addWidget(settings_label_);
  auto* area = new QScrollArea(this);
  area->setFrameShape(QFrame::NoFrame);
  area->setWidgetResizable(true);
  area->setMinimumHeight(130);
  settings_ = new SettingRows(QStringLiteral("fork"), recipe_, can_fork_otherwise, area);
  auto* canvas = new QWidget(area);
  auto* column = new QVBoxLayout(canvas);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(settings_);
  column->addStretch(1);
  area->setWidget(canvas);
  layout->addWidget(area, 1);
  settings_label_->setVisible(forks);
  area->setVisible(forks);
  if (forks) settings_->add("training.learning_rate");
  note_ = muted_label(this, 0.9);
  note_->setObjectName(QStringLiteral("forkNote"));
  note_->setWordWrap(true);
  layout->addWidget(note_);
  auto* row = new QHBoxLayout;
  const auto button = [&](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(QLatin1String(name));
    made->setAutoDefault(false);
    return made;
  };
  cancel_ = button("forkCancel");
  fork_ = button("forkMake");
  start_ = button("forkStart");
  start_->setDefault(true);
  row->addWidget(cancel_);
  row->addStretch(1);
  row->addWidget(fork_);
  row->addWidget(start_);
  layout->addLayout(row);
  connect(cancel_, &QPushButton::clicked, this, &QDialog::close);
  connect(fork_, &QPushButton::clicked, this, [this] { make(false); });
  connect(start_, &QPushButton::clicked, this, [this] { make(true); });
  connect(name_, &QLineEdit::textChanged, this, &ForkDialog::refresh);
  connect(step_, &QComboBox::currentIndexChanged, this, &ForkDialog::refresh);
  connect(more_, &QSpinBox::valueChanged, this, &ForkDialog::refresh);
  connect(carry_, &QCheckBox::toggled, this, &ForkDialog::refresh);
  connect(settings_, &SettingRows::changed, this, &ForkDialog::refresh);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &ForkDialog::refresh);
  on_language(this, [this] { retranslate(); });
}

void ForkDialog::retranslate() {
  const QString run = path_text(run_.filename());
  const bool forks = kind_ == Kind::Fork;
  setWindowTitle(forks ? tr("Fork a run") : tr("More steps"));
  title_->setText(forks ? tr("A new run from a checkpoint of %1").arg(run)
                        : tr("More steps for %1").arg(run));
  name_label_->setText(tr("&Name of the new run"));
  name_->setAccessibleName(tr("Name of the new run"));
  step_label_->setText(forks ? tr("Begins with s&tep") : tr("&Further steps"));
  step_->setAccessibleName(tr("Checkpoint to begin with"));
  more_->setAccessibleName(tr("Further steps"));
  carry_->setText(tr("Carry the &optimizer's state on"));
  carry_->setToolTip(
      tr("On: the run goes on from that step, with the curves until there. Off: it "
         "takes the weights alone and begins at step 0."));
  settings_label_->setText(tr("Settings that are to differ"));
  cancel_->setText(tr("&Cancel"));
  fork_->setText(tr("&Make it, start later"));
  start_->setText(tr("Make it and &start"));
  refresh();
}

Result<ForkOrder> ForkDialog::order() const {
  const std::filesystem::path place = run_.parent_path() / name_->text().trimmed().toStdString();
  if (kind_ == Kind::MoreSteps) {
    LUTHIER_TRY(const Extension plan, plan_extension(run_, more_->value(), place));
    return plan.order;
  }
  ForkOrder order{run_, step_->currentData().toLongLong(), recipe_, carry_->isChecked()};
  order.recipe.output_dir = place.string();
  for (const auto& [key, value] : settings_->values())
    LUTHIER_CHECK(set_field(order.recipe, key, value));
  LUTHIER_CHECK(check_recipe(order.recipe));
  return order;
}

void ForkDialog::refresh() {
  QString text;
  const auto wanted = order();
  if (kind_ == Kind::MoreSteps) {
    const std::int64_t before = manifest_.total_steps, after = before + more_->value();
    QStringList lines{tr("The finished run stays as it is. The new one goes on from step %1 to "
                         "step %2, its optimizer carried on.")
                          .arg(grouped_text(before), grouped_text(after))};
    const auto differences = differs_from_longer(recipe_, before, after);
    if (differences.empty())
      lines << tr("It ends as if that many steps had been asked for from the start.");
    else
      lines << tr("It does not end as if that many had been asked for from the start:");
    for (const std::string& difference : differences) lines << said_text(difference);
    text = lines.join(QLatin1Char('\n'));
  } else if (carry_->isChecked()) {
    text = tr("Goes on from step %1 with the optimizer's moments, the schedule at that step and "
              "the rows that come next. The curves until there are copied.")
               .arg(grouped_text(step_->currentData().toLongLong()));
  } else {
    text = tr("Takes the weights of step %1 and nothing else: a fresh optimizer, the schedule and "
              "the rows from their start, at step 0.")
               .arg(grouped_text(step_->currentData().toLongLong()));
  }
  if (!wanted) text += QLatin1Char('\n') + error_text(wanted.error());
  note_->setText(text);
  const QString name = name_->text().trimmed();
  const bool named =
      !name.isEmpty() && !name.contains(QLatin1Char('/')) && !name.startsWith(QLatin1Char('.'));
  const bool ready = !busy_ && named && wanted.ok();
  fork_->setEnabled(ready);
  start_->setEnabled(ready && can_launch(workspace_.state()));
  start_->setToolTip(can_launch(workspace_.state())
                         ? QString()
                         : tr("Another run or a model is being worked on now"));
}

void ForkDialog::make(bool start) {
  const auto wanted = order();
  if (!wanted || busy_) return;
  busy_ = true;
  banner_->dismiss();
  refresh();
  in_background_of(
      this,
      [order = *wanted] {
        const auto made = fork_run(order);
        return made ? Result<std::filesystem::path>(made->path())
                    : Result<std::filesystem::path>(made.error());
      },
      [this, start](const Result<std::filesystem::path>& made) {
        busy_ = false;
        if (!made) {
          banner_->show_error(made.error());
          refresh();
          return;
        }
        emit forked(path_text(*made), start);
        close();
      });
}

}  // namespace luthier
