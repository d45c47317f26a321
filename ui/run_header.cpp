// SPDX-License-Identifier: GPL-3.0-or-later
// The top line follows the session's state; every button's enabled state comes from can_...()
// questions.
#include "ui/run_header.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

#include "ui/desk/shortcuts.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

RunHeader::RunHeader(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace) {
  setObjectName(QStringLiteral("runHeader"));
  const auto size = [this] { setFixedHeight(scaled_length(52)); };
  size();
  connect(&Theme::instance(), &Theme::changed, this, size);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(16, 0, 12, 0);
  layout->setSpacing(10);
  loaded_ = text_label(this);
  loaded_->setObjectName(QStringLiteral("loadedLabel"));
  loaded_->setTextFormat(Qt::RichText);
  loaded_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  layout->addWidget(loaded_, 1);
  dot_ = new QLabel(this);
  layout->addWidget(dot_);
  state_ = text_label(this);
  state_->setObjectName(QStringLiteral("stateLabel"));
  state_->setFont(scaled_font(1.0, true));
  layout->addWidget(state_);
  progress_ = text_label(this);
  progress_->setObjectName(QStringLiteral("progressLabel"));
  layout->addWidget(progress_);
  save_ = new QToolButton(this);
  save_->setObjectName(QStringLiteral("saveNowButton"));
  save_->setFixedHeight(32);
  save_->setShortcut(shortcut_keys("save_now"));
  set_themed_icon(save_, QStringLiteral("save"));
  layout->addWidget(save_);
  main_ = new QPushButton(this);
  main_->setObjectName(QStringLiteral("mainButton"));
  main_->setMinimumSize(104, 32);
  layout->addWidget(main_);
  stop_ = new QPushButton(this);
  stop_->setObjectName(QStringLiteral("stopButton"));
  stop_->setMinimumHeight(32);
  set_themed_icon(stop_, QStringLiteral("stop"));
  layout->addWidget(stop_);
  cancel_ = new QPushButton(this);
  cancel_->setObjectName(QStringLiteral("cancelLoading"));
  cancel_->setMinimumHeight(32);
  set_themed_icon(cancel_, QStringLiteral("close"));
  layout->addWidget(cancel_);

  connect(main_, &QPushButton::clicked, this, &RunHeader::main_clicked);
  connect(stop_, &QPushButton::clicked, this, &RunHeader::stop_asked);
  connect(save_, &QToolButton::clicked, this, [this] { workspace_.session().save_now(); });
  connect(cancel_, &QPushButton::clicked, &workspace_, &Workspace::cancel_loading);
  connect(&workspace_.bridge(), &SessionBridge::state_changed, this, &RunHeader::refresh);
  connect(&workspace_, &Workspace::model_changed, this, &RunHeader::refresh);
  connect(&workspace_, &Workspace::merged_changed, this, &RunHeader::refresh);
  connect(&workspace_, &Workspace::run_grew, this, &RunHeader::refresh);
  connect(&workspace_, &Workspace::run_started, this, &RunHeader::refresh);
  connect(&workspace_, &Workspace::run_ended, this, &RunHeader::refresh);
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    main_->setProperty("shown_icon", QString());  // drawn anew in the new ink
    refresh();
  });
  on_language(this, [this] { refresh(); });
}

void RunHeader::refresh() {
  const SessionState state = workspace_.state();
  const Colours& c = colours();
  if (const auto& model = workspace_.model()) {
    const ModelSummary& s = model->summary;
    loaded_->setText(
        QStringLiteral("<b>%1</b>&nbsp;&nbsp;<span style='color:%2'>%3 · %4 · %5</span>")
            .arg(model_name(s.folder).toHtmlEscaped(), c.muted.name(),
                 QString::fromStdString(s.model_type).toHtmlEscaped(), count_text(s.parameters),
                 QString::fromStdString(s.dtype).toHtmlEscaped()));
    if (workspace_.merged())
      loaded_->setText(loaded_->text() + QStringLiteral(" · <span style='color:%1'>%2</span>")
                                             .arg(c.warning.name(), tr("holds a merge")));
    loaded_->setToolTip(path_text(s.folder));
  } else {
    loaded_->setText(QStringLiteral("<span style='color:%1'>%2</span>")
                         .arg(c.muted.name(), tr("No model is loaded")));
    loaded_->setToolTip({});
  }
  const bool active = can_stop(state);
  const QColor dot = state == SessionState::Training                                   ? c.good
                     : state == SessionState::Paused || state == SessionState::Pausing ? c.warning
                                                                                       : c.muted;
  QPixmap pixmap(20, 20);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setPen(Qt::NoPen);
  painter.setBrush(dot);
  painter.drawEllipse(5, 5, 10, 10);
  painter.end();
  dot_->setPixmap(pixmap);
  const QString place = workspace_.place_of_run();
  state_->setText(state_text(state_name(state)) +
                  (place.isEmpty() ? QString() : QLatin1Char(' ') + place));
  QString progress;
  if (const auto& run = workspace_.run();
      run && (active || state == SessionState::Saving || state == SessionState::Stopping)) {
    const std::int64_t step = run->lines.empty() ? run->started.first_step : run->lines.back().step;
    progress = tr("step %1/%2").arg(step).arg(run->started.total_steps);
    if (!run->lines.empty() && state == SessionState::Training)
      progress += QStringLiteral("   ") + tr("%1 left").arg(duration_text(run->eta_seconds));
  }
  progress_->setText(progress);
  progress_->setVisible(!progress.isEmpty());

  main_->setText(can_resume(state) ? tr("Resume") : active ? tr("Pause") : tr("Launch"));
  const QString icon =
      active && !can_resume(state) ? QStringLiteral("pause") : QStringLiteral("play");
  if (main_->property("shown_icon").toString() != icon) {
    main_->setProperty("shown_icon", icon);
    main_->setIcon(themed_icon(icon));
  }
  main_->setEnabled(can_resume(state) || can_pause(state) || (!active && can_launch(state)));
  main_->setToolTip(
      active ? with_keys(tr("Pausing keeps the model loaded, for asking it something"), "pause")
             : with_keys(tr("Train with the settings of the Train page"), "launch"));
  stop_->setText(tr("Stop…"));
  stop_->setEnabled(active);
  stop_->setVisible(active || state == SessionState::Saving || state == SessionState::Stopping);
  cancel_->setText(tr("Cancel loading"));
  cancel_->setVisible(can_cancel_loading(state));
  save_->setToolTip(with_keys(tr("Save a checkpoint now"), "save_now"));
  save_->setAccessibleName(tr("Save a checkpoint now"));
  save_->setVisible(stop_->isVisibleTo(this));
  save_->setEnabled(can_pause(state) || can_resume(state));
}

void RunHeader::main_clicked() {
  const SessionState state = workspace_.state();
  if (can_resume(state))
    workspace_.session().resume();
  else if (can_pause(state))
    workspace_.session().pause();
  else if (can_launch(state))
    emit launch_asked();
}

void RunHeader::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
