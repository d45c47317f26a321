// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/live_settings.h"

#include <QApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QVBoxLayout>
#include <limits>

#include "engine/runs/run_edits.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kShortField = 56;

std::string live_key(const std::string& setting) { return "training." + setting; }

/// A value as the form writes it, to the last digit: applying what is shown changes nothing.
QString live_text(const std::string& setting, double value) {
  Recipe recipe;
  if (setting == "learning_rate") recipe.training.learning_rate = value;
  if (setting == "max_grad_norm") recipe.training.max_grad_norm = value;
  if (setting == "logging_steps") recipe.training.logging_steps = static_cast<std::int64_t>(value);
  return QString::fromStdString(get_field(recipe, live_key(setting)).value());
}

}  // namespace

LiveSettings::LiveSettings(Workspace& workspace, QWidget* parent)
    : Card(parent), workspace_(workspace) {
  for (std::size_t i = 0; i < fields_.size(); ++i) fields_[i].setting = live_settings()[i];
  const char* names[] = {"liveRate", "liveClip", "liveLogging"};
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    fields_[i].label = new QLabel(this);
    fields_[i].line = make_line(names[i]);
    fields_[i].label->setBuddy(fields_[i].line);
  }
  apply_ = new QPushButton(this);
  apply_->setObjectName(QStringLiteral("applyRate"));
  auto* first = new QHBoxLayout;
  first->addWidget(fields_[0].label);
  first->addWidget(fields_[0].line, 1);
  first->addWidget(apply_);
  auto* second = new QHBoxLayout;
  for (std::size_t i = 1; i < fields_.size(); ++i) {
    fields_[i].line->setMinimumWidth(kShortField);
    second->addWidget(fields_[i].label);
    second->addWidget(fields_[i].line, 1);
  }
  now_ = muted_label(this, 0.85);
  now_->setObjectName(QStringLiteral("rateNow"));
  body()->addLayout(first);
  body()->addLayout(second);
  body()->addWidget(now_);
  connect(apply_, &QPushButton::clicked, this, &LiveSettings::apply);
  connect(&Theme::instance(), &Theme::changed, this, &LiveSettings::refresh);
  on_language(this, [this] {
    fields_[0].label->setText(tr("Learning &rate from the next step"));
    fields_[0].line->setAccessibleName(tr("Learning rate from the next step"));
    fields_[1].label->setText(tr("Max &grad norm"));
    fields_[1].line->setAccessibleName(tr("Max grad norm from the next step"));
    fields_[2].label->setText(tr("Log e&very"));
    fields_[2].line->setAccessibleName(tr("Steps between two lines of metrics, from now on"));
    apply_->setText(tr("Apply"));
    refresh();
  });
}

QLineEdit* LiveSettings::make_line(const char* name) {
  auto* line = new QLineEdit(this);
  line->setObjectName(QLatin1String(name));
  line->setAlignment(Qt::AlignRight);
  connect(line, &QLineEdit::returnPressed, this, &LiveSettings::apply);
  connect(line, &QLineEdit::textChanged, this, &LiveSettings::refresh);
  return line;
}

double LiveSettings::in_force(const Field& field) const {
  const auto& run = workspace_.run();
  if (!run) return 0;
  if (field.setting == "learning_rate") return run->rate;
  // The run's events are those that have happened.
  return value_in_force(run->started.recipe, run->events, field.setting,
                        std::numeric_limits<std::int64_t>::max());
}

double LiveSettings::stands(const Field& field) const {
  return field.asked ? *field.asked : in_force(field);
}

Result<double> LiveSettings::typed(const Field& field) const {
  Recipe recipe;
  const std::string key = live_key(field.setting);
  const std::string text = field.line->text().trimmed().toStdString();
  if (const Status status = set_field(recipe, key, text); !status)
    return fault_error(status.error(), field.line->text());
  return recipe_value(recipe, field.setting);
}

void LiveSettings::apply() {
  for (const Field& field : fields_) {
    if (const auto value = typed(field); !value) {
      emit refused(value.error());
      return;
    }
  }
  for (Field& field : fields_) {
    const double value = *typed(field);
    field.line->setModified(false);
    if (value == stands(field)) continue;
    field.asked = value;
    workspace_.session().edit_run(field.setting, value);
  }
  refresh();
}

void LiveSettings::restart() {
  for (Field& field : fields_) {
    field.asked.reset();
    field.line->setModified(false);
  }
  show_values();
}

void LiveSettings::take_back(const std::string& setting) {
  for (Field& field : fields_)
    if (field.setting == setting) field.asked.reset();
  refresh();
}

void LiveSettings::show_values() {
  if (!workspace_.run()) return;
  for (Field& field : fields_) {
    const double now = in_force(field);
    if (field.asked == now) field.asked.reset();
    // What a person has typed stays, and so does what was applied a moment ago.
    if (!field.line->isModified() && !field.asked)
      field.line->setText(live_text(field.setting, now));
  }
  refresh();
}

/// What is typed and not applied is not what the run goes by: said below the fields, in red where
/// it could not be applied.
void LiveSettings::refresh() {
  if (!apply_ || !now_) return;
  const bool running = workspace_.run() != nullptr;
  bool any = false, wrong = false;
  QStringList waiting;
  for (const Field& field : fields_) {
    const auto value = typed(field);
    QPalette palette = QApplication::palette(field.line);
    if (!value) palette.setColor(QPalette::Text, colours().error);
    field.line->setPalette(palette);
    field.line->setToolTip(value ? QString() : error_text(value.error()));
    wrong = wrong || !value;
    any = any || !value || *value != stands(field);
    if (running && field.asked)
      waiting << tr("%1 %2 from the next step; now %3")
                     .arg(field_label(live_key(field.setting)),
                          live_text(field.setting, *field.asked),
                          live_text(field.setting, in_force(field)));
  }
  apply_->setEnabled(any);
  now_->setText(
      !running ? QString()
      : waiting.isEmpty()
          ? tr("Peak rate in force: %1").arg(live_text("learning_rate", in_force(fields_[0])))
          : waiting.join(QStringLiteral(" · ")));
  if (!wrong) emit fine();
}

}  // namespace luthier
