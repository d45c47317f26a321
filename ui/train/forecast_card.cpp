// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast follows Workspace::forecast_changed.
#include "ui/train/forecast_card.h"

#include <QGraphicsOpacityEffect>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/train/where_chooser.h"
#include "ui/widgets/legend.h"
#include "ui/widgets/stacked_bar.h"

namespace luthier {

namespace {

constexpr int kFadeMilliseconds = 400;  // a forecast that comes at once does not flicker
constexpr double kFaded = 0.35;

void fade(QWidget* widget, bool faded) {
  if (faded == (widget->graphicsEffect() != nullptr)) return;
  if (!faded) {
    widget->setGraphicsEffect(nullptr);
    return;
  }
  auto* effect = new QGraphicsOpacityEffect(widget);
  effect->setOpacity(kFaded);
  widget->setGraphicsEffect(effect);
}

struct PartValue {
  QString name;
  std::int64_t bytes;
};

}  // namespace

ForecastCard::ForecastCard(Workspace& workspace, QWidget* parent)
    : Card(parent), workspace_(workspace) {
  total_ = text_label(this);
  total_->setObjectName(QStringLiteral("forecastTotal"));
  head()->addWidget(total_);
  bar_ = new StackedBar(this);
  bar_->setObjectName(QStringLiteral("forecastBar"));
  body()->addWidget(bar_);
  legend_ = new Legend(this);
  body()->addWidget(legend_);
  device_ = text_label(this, true);
  device_->setObjectName(QStringLiteral("forecastDevice"));
  body()->addWidget(device_);
  trainable_ = muted_label(this);
  trainable_->setObjectName(QStringLiteral("trainableLabel"));
  body()->addWidget(trainable_);
  advice_ = text_label(this, true);
  advice_->setObjectName(QStringLiteral("forecastAdvice"));
  body()->addWidget(advice_);
  measured_ = muted_label(this);
  measured_->setObjectName(QStringLiteral("measuredLabel"));
  body()->addWidget(measured_);
  body()->addWidget(new WhereChooser(workspace, this));
  auto* row = new QHBoxLayout;
  try_ = new QPushButton(this);
  try_->setObjectName(QStringLiteral("tryButton"));
  launch_ = new QPushButton(this);
  launch_->setObjectName(QStringLiteral("launchButton"));
  launch_->setDefault(true);
  for (QPushButton* button : {try_, launch_}) button->setMinimumHeight(32);
  row->addWidget(try_, 1);
  row->addWidget(launch_, 1);
  body()->addLayout(row);

  connect(launch_, &QPushButton::clicked, this, [this] { workspace_.launch(); });
  connect(try_, &QPushButton::clicked, this, &ForecastCard::try_one_step);
  connect(&workspace_, &Workspace::forecast_changed, this, &ForecastCard::refresh);
  const auto other_values = [this] {
    // What was measured was measured by other values.
    tried_.reset();
    if (trial_ == 0) measured_->hide();
    refresh_buttons();
    refresh_standing();
  };
  connect(&workspace_, &Workspace::recipe_changed, this, other_values);
  connect(&workspace_, &Workspace::faults_changed, this, other_values);
  connect(&workspace_, &Workspace::model_changed, this, other_values);
  standing_timer_.setSingleShot(true);
  standing_timer_.setInterval(kFadeMilliseconds);
  connect(&standing_timer_, &QTimer::timeout, this, [this] {
    const bool faded = workspace_.forecast() && !workspace_.forecast_is_current();
    for (QWidget* widget : std::initializer_list<QWidget*>{bar_, legend_, total_})
      fade(widget, faded);
  });
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this,
          &ForecastCard::refresh_buttons);
  connect(&workspace_.bridge(), &SessionBridge::one_step_tried, this,
          [this](const OneStepTried& event) {
            // What was measured meanwhile by other values than are shown now is not said.
            const bool same =
                workspace_.faults().empty() && trial_of_ == recipe_to_yaml(workspace_.recipe());
            if (event.request == trial_ && same) show_measured(event);
          });
  connect(&workspace_.bridge(), &SessionBridge::request_done, this,
          [this](const RequestDone& event) {
            if (event.request != trial_) return;
            trial_ = 0;
            if (event.error) {
              measured_->setText(error_text(*event.error));
              measured_->show();
            } else if (!tried_) {
              measured_->hide();
            }
            refresh_buttons();
          });
  connect(&Theme::instance(), &Theme::changed, this, &ForecastCard::refresh);
  on_language(this, [this] {
    set_title(tr("Memory forecast"));
    try_->setText(tr("Tr&y one step"));
    try_->setToolTip(
        tr("One step on the longest row, nothing written: what memory it really takes"));
    launch_->setText(tr("&Launch"));
    launch_->setToolTip(tr("Train with these settings (F5)"));
    refresh();
    if (tried_) show_measured(*tried_);
  });
  refresh_buttons();
}

void ForecastCard::refresh() {
  const auto& forecast = workspace_.forecast();
  bar_->setVisible(forecast.has_value());
  legend_->setVisible(forecast.has_value());
  trainable_->setVisible(forecast.has_value());
  advice_->hide();
  QString said = forecast ? said_text(forecast->forecast.device_note) : QString();
  if (forecast && !forecast->forecast.known()) {
    if (!said.isEmpty()) said += QLatin1Char('\n');
    said += said_text(unknown_room(forecast->forecast));
  }
  if (forecast && forecast->forecast.parts.paged > 0) {
    if (!said.isEmpty()) said += QLatin1Char('\n');
    said += tr("%1 of the optimizer's state wait in the machine's memory.")
                .arg(bytes_text(forecast->forecast.parts.paged));
  }
  device_->setText(said);
  device_->setVisible(!device_->text().isEmpty());
  if (!forecast) {
    total_->clear();
    const QString error = workspace_.forecast_error();
    advice_->setText(
        !error.isEmpty() ? error
        : workspace_.recipe().model.empty()
            ? tr("Choose a model and training data: the forecast follows every setting.")
        : workspace_.recipe().dataset.empty()
            ? tr("Choose training data: the forecast needs its longest row.")
            : tr("Reading the lengths of the rows…"));
    advice_->show();
    return;
  }
  const MemoryForecast& f = forecast->forecast;
  const PartValue parts[] = {{tr("weights"), f.parts.weights},
                             {tr("adapter"), f.parts.adapter},
                             {tr("gradients"), f.parts.gradients},
                             {tr("optimizer"), f.parts.optimizer},
                             {tr("activations"), f.parts.activations},
                             {tr("workspace"), f.parts.workspace},
                             {tr("CUDA context"), f.parts.context},
                             {tr("cuBLAS"), f.parts.libraries},
                             {tr("fragmentation"), f.parts.fragmentation},
                             {tr("recordings"), f.parts.recordings}};
  std::vector<StackedBar::Part> bar;
  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    if (parts[i].bytes == 0) continue;
    bar.push_back({colours().parts[i], static_cast<double>(parts[i].bytes), parts[i].name});
    legend.push_back(
        {LegendEntry::Mark::Block, colours().parts[i], parts[i].name, bytes_text(parts[i].bytes)});
  }
  bar_->set_parts(std::move(bar), static_cast<double>(f.available));
  legend_->set_entries(std::move(legend));
  total_->setText(
      f.available > 0
          ? tr("%1 of %2 free").arg(bytes_text(f.parts.total()), bytes_text(f.available))
          : bytes_text(f.parts.total()));
  const auto& model = workspace_.model();
  const std::int64_t all = model ? model->summary.parameters : 0;
  trainable_text_ = all > 0 ? tr("%1 trainable parameters (%2 of the base)")
                                  .arg(grouped_text(forecast->trainable),
                                       percent_text(static_cast<double>(forecast->trainable),
                                                    static_cast<double>(all)))
                            : tr("%1 trainable parameters").arg(grouped_text(forecast->trainable));
  refresh_standing();
  if (!f.fits()) {
    QString text = tr("It will not fit: %1 are needed, %2 are free.")
                       .arg(bytes_text(f.parts.total()), bytes_text(f.available));
    if (workspace_.recipe().training.on_low_memory == "refuse")
      text += QLatin1Char(' ') + tr("It will not be started like this.");
    for (const std::string& advice : f.advice) text += QStringLiteral("\n• ") + said_text(advice);
    advice_->setText(text);
    QPalette palette = advice_->palette();
    palette.setColor(QPalette::WindowText, colours().error);
    advice_->setPalette(palette);
    advice_->show();
  } else {
    advice_->setPalette(QPalette());
  }
  refresh_buttons();
}

void ForecastCard::refresh_standing() {
  const std::vector<FieldFault>& faults = workspace_.faults();
  QString text = trainable_text_, tip;
  if (!faults.empty()) {
    QStringList values;
    for (const FieldFault& fault : faults) {
      const auto value = get_field(workspace_.recipe(), fault.key);
      values << QStringLiteral("%1 %2").arg(field_label(fault.key),
                                            value ? QString::fromStdString(*value) : QString());
    }
    tip = tr("Of the last valid settings: %1").arg(values.join(QStringLiteral(", ")));
    // In the place of a line that is there anyway, and no longer than it: nothing moves while a
    // person types.
    text = trainable_->fontMetrics().elidedText(tip, Qt::ElideRight,
                                                std::max(120, trainable_->width() - 2));
  }
  trainable_->setText(text);
  trainable_->setToolTip(tip);
  if (faults.empty() && workspace_.forecast_is_current()) {
    standing_timer_.stop();
    for (QWidget* widget : std::initializer_list<QWidget*>{bar_, legend_, total_})
      fade(widget, false);
  } else if (!faults.empty()) {
    standing_timer_.stop();
    for (QWidget* widget : std::initializer_list<QWidget*>{bar_, legend_, total_})
      fade(widget, true);
  } else if (!standing_timer_.isActive()) {
    standing_timer_.start();
  }
}

void ForecastCard::refresh_buttons() {
  const SessionState state = workspace_.state();
  launch_->setEnabled(can_launch(state) && trial_ == 0);
  try_->setEnabled(can_launch(state) && trial_ == 0 && !workspace_.recipe().model.empty() &&
                   !workspace_.recipe().dataset.empty());
}

void ForecastCard::try_one_step() {
  if (workspace_.refuse_faults()) return;
  tried_.reset();
  measured_->setText(tr("Trying one step on the longest row…"));
  measured_->show();
  trial_of_ = recipe_to_yaml(workspace_.recipe());
  const Recipe& recipe = workspace_.recipe();
  trial_ = workspace_.session().try_one_step(recipe, workspace_.program_for(recipe));
  refresh_buttons();
}

void ForecastCard::show_measured(const OneStepTried& event) {
  tried_ = event;
  const double measured = static_cast<double>(event.measured.total()),
               forecast = static_cast<double>(event.forecast.parts.tensors());
  measured_->setText(
      tr("Measured: %1 (forecast %2, off by %3 %), %4 s a step.")
          .arg(bytes_text(event.measured.total()), bytes_text(event.forecast.parts.tensors()),
               QString::number(measured > 0 ? 100 * std::abs(forecast - measured) / measured : 0,
                               'f', 1),
               number_text(event.step_seconds, 3)));
  measured_->show();
}

}  // namespace luthier
