// SPDX-License-Identifier: GPL-3.0-or-later
// Painting and wiring of the rail.
#include "ui/nav_rail.h"

#include <QActionGroup>
#include <QButtonGroup>
#include <QMenu>
#include <QPainter>
#include <QSettings>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

RailButton::RailButton(const QString& icon, QWidget* parent)
    : QAbstractButton(parent), icon_(icon) {
  setCheckable(true);
  setFocusPolicy(Qt::StrongFocus);
  setCursor(Qt::PointingHandCursor);
}

void RailButton::set_dot(bool dot) {
  dot_ = dot;
  update();
}

QSize RailButton::sizeHint() const { return {80, 60}; }

void RailButton::enterEvent(QEnterEvent*) { update(); }
void RailButton::leaveEvent(QEvent*) { update(); }

void RailButton::focusInEvent(QFocusEvent* event) {
  ring_ = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason ||
          event->reason() == Qt::ShortcutFocusReason;
  QAbstractButton::focusInEvent(event);
}

void RailButton::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  const QRectF box = QRectF(rect()).adjusted(6, 3, -6, -3);
  if (isChecked() || underMouse()) {
    QColor fill = isChecked() ? c.accent : c.muted;
    fill.setAlphaF(isChecked() ? 0.13f : 0.08f);
    p.setPen(Qt::NoPen);
    p.setBrush(fill);
    p.drawRoundedRect(box, 8, 8);
  }
  if (hasFocus() && ring_) {
    p.setPen(QPen(c.accent, 1.5));
    p.setBrush(Qt::NoBrush);
    p.drawRoundedRect(box, 8, 8);
  }
  const QColor ink = isChecked() ? c.accent : c.text;
  themed_icon(icon_, ink).paint(&p, QRect(width() / 2 - 10, 11, 20, 20));
  p.setPen(ink);
  p.setFont(scaled_font(0.9, isChecked()));
  p.drawText(QRect(2, 34, width() - 4, 20), Qt::AlignCenter, accessibleName());
  if (dot_) {
    p.setPen(QPen(c.card, 1.5));
    p.setBrush(c.series[1]);
    p.drawEllipse(QPointF(width() / 2.0 + 14, 13), 5, 5);
  }
}

NavRail::NavRail(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("rail"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 8, 0, 8);
  layout->setSpacing(0);
  auto* group = new QButtonGroup(this);
  group->setExclusive(true);
  const QStringList icons{QStringLiteral("model"), QStringLiteral("data"),
                          QStringLiteral("train"), QStringLiteral("compare"),
                          QStringLiteral("runs"),  QStringLiteral("methods"),
                          QStringLiteral("merge"), QStringLiteral("ranks")};
  for (int i = 0; i < icons.size(); ++i) {
    auto* button = new RailButton(icons[i], this);
    button->setObjectName(QStringLiteral("rail_") + icons[i]);
    group->addButton(button, i);
    layout->addWidget(button);
    buttons_.push_back(button);
  }
  on_language(this, [this] {
    const QStringList words{tr("&Model"), tr("&Data"),    tr("&Train"), tr("&Compare"),
                            tr("&Runs"),  tr("Met&hods"), tr("Mer&ge"), tr("Ran&ks")};
    for (int i = 0; i < words.size(); ++i) {
      RailButton* button = buttons_[static_cast<std::size_t>(i)];
      button->setText(words[i]);
      QString plain = words[i];
      const int mnemonic = static_cast<int>(plain.indexOf(QLatin1String("(&")));
      plain = mnemonic >= 0 ? plain.left(mnemonic) : plain.remove(QLatin1Char('&'));
      button->setAccessibleName(plain);
      button->setToolTip(QStringLiteral("%1  (Ctrl+%2)").arg(plain).arg(i + 1));
    }
  });
  connect(group, &QButtonGroup::idClicked, this, &NavRail::chosen);
  layout->addStretch();
  layout->addWidget(make_settings_button(), 0, Qt::AlignHCenter);
  setFixedWidth(84);
}

QToolButton* NavRail::make_settings_button() {
  auto* button = new QToolButton(this);
  button->setObjectName(QStringLiteral("settingsButton"));
  button->setAutoRaise(true);
  button->setPopupMode(QToolButton::InstantPopup);
  button->setIconSize({20, 20});
  set_themed_icon(button, QStringLiteral("settings"));
  auto* menu = new QMenu(button);
  menu->setObjectName(QStringLiteral("settingsMenu"));
  button->setMenu(menu);

  const auto title = [menu] {
    QAction* action = menu->addSection(QString());
    return action;
  };
  QAction* language_title = title();
  auto* languages = new QActionGroup(menu);
  for (const auto& [code, name] :
       {std::pair("en", QStringLiteral("English")), std::pair("ko", QStringLiteral("한국어"))}) {
    QAction* action = menu->addAction(name);
    action->setObjectName(QStringLiteral("language_") + QLatin1String(code));
    action->setCheckable(true);
    action->setChecked(Language::instance().code() == QLatin1String(code));
    languages->addAction(action);
    connect(action, &QAction::triggered, this, [code = QString::fromLatin1(code)] {
      Language::instance().choose(code);
      QSettings().setValue(QStringLiteral("language"), code);
    });
  }
  QAction* theme_title = title();
  auto* themes = new QActionGroup(menu);
  std::vector<QAction*> theme_actions;
  const std::pair<Theme::Choice, const char*> choices[] = {{Theme::Choice::System, "system"},
                                                           {Theme::Choice::Light, "light"},
                                                           {Theme::Choice::Dark, "dark"}};
  for (const auto& [choice, name] : choices) {
    QAction* action = menu->addAction(QString());
    action->setObjectName(QStringLiteral("theme_") + QLatin1String(name));
    action->setCheckable(true);
    action->setChecked(Theme::instance().choice() == choice);
    themes->addAction(action);
    theme_actions.push_back(action);
    connect(action, &QAction::triggered, this, [choice = choice, name = QString::fromLatin1(name)] {
      Theme::instance().choose(choice);
      QSettings().setValue(QStringLiteral("theme"), name);
    });
  }
  on_language(this, [button, language_title, theme_title, theme_actions] {
    button->setToolTip(tr("Language and theme"));
    button->setAccessibleName(tr("Language and theme"));
    language_title->setText(tr("Language"));
    theme_title->setText(tr("Theme"));
    theme_actions[0]->setText(tr("As the system"));
    theme_actions[1]->setText(tr("Light"));
    theme_actions[2]->setText(tr("Dark"));
  });
  return button;
}

void NavRail::set_current(int page) { buttons_[static_cast<std::size_t>(page)]->setChecked(true); }
void NavRail::set_dot(int page, bool dot) {
  buttons_[static_cast<std::size_t>(page)]->set_dot(dot);
}

void NavRail::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
}

}  // namespace luthier
