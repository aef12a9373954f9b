import { CLIENT, CONTACT, type Examples } from './names.ts'

const appointment = {
  id: '0TkCdp9PfvLeWKYRRvIz',
  start_time: '2026-08-24T09:00:00-07:00',
  end_time: '2026-08-24T09:30:00-07:00',
  title: 'Leaking tap',
  status: 'confirmed',
}

const contact = { id: CONTACT, name: 'Ann Lee', firstName: 'Ann', lastName: 'Lee', phone: '+12505550188' }

/** The tools, over REST. */
export const TOOL_EXAMPLES: Examples = {
  'tools.find_or_create_contact': {
    body: { client_id: CLIENT, name: 'Ann Lee', phone: '+12505550188', email: 'ann@example.com' },
    answer: { contactId: CONTACT, existed: false, contact },
  },
  'tools.check_availability': {
    body: { client_id: CLIENT, start_date: '2026-08-24', end_date: '2026-08-28', part_of_day: 'morning' },
    answer: {
      success: true,
      timezone: 'America/Vancouver',
      start_date: '2026-08-24',
      end_date: '2026-08-28',
      slots: [{ start_time: '2026-08-24T09:00:00-07:00' }, { start_time: '2026-08-24T09:30:00-07:00' }],
    },
  },
  'tools.book_appointment': {
    body: {
      client_id: CLIENT,
      contact_id: CONTACT,
      start_time: '2026-08-24T09:00:00-07:00',
      title: 'Leaking tap',
    },
    answer: {
      success: true,
      appointment: {
        id: appointment.id,
        contact_id: CONTACT,
        start_time: appointment.start_time,
        end_time: appointment.end_time,
        title: appointment.title,
      },
    },
  },
  'tools.list_appointments': {
    body: { client_id: CLIENT, contact_id: CONTACT },
    answer: { success: true, appointments: [appointment] },
  },
  'tools.reschedule_appointment': {
    body: {
      client_id: CLIENT,
      contact_id: CONTACT,
      appointment_id: appointment.id,
      new_start_time: '2026-08-25T10:30',
    },
    answer: {
      success: true,
      appointment: {
        ...appointment,
        start_time: '2026-08-25T10:30:00-07:00',
        end_time: '2026-08-25T11:00:00-07:00',
      },
    },
  },
  'tools.cancel_appointment': {
    body: { client_id: CLIENT, contact_id: CONTACT, appointment_id: appointment.id },
    answer: { success: true, appointment: { ...appointment, status: 'cancelled' } },
  },
  'tools.send_sms': {
    body: { client_id: CLIENT, contact_id: CONTACT, message: 'We are on our way.' },
    answer: { success: true, messageId: 't22c6DQcTDf3MjRhwf77', contactId: CONTACT },
  },
  'tools.take_message': {
    body: {
      client_id: CLIENT,
      contact_id: CONTACT,
      message: 'The boiler is leaking. Please call back.',
      callback_time: 'after three',
      urgent: true,
    },
    answer: { success: true, taskId: 'hxF2uBrIkfXYazbABC12', contactId: CONTACT },
  },

  'tools.record_consent': {
    body: { client_id: CLIENT, granted: true },
    answer: { success: true, granted: true },
  },
}
